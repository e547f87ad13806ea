//! What the image is built from: test.sh builds it, and this is sooner known.

use crate::harness::manifest::root;

#[test]
fn the_image_is_built_with_every_member_of_the_workspace() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let [workspace, dockerfile, taken] = ["Cargo.toml", "Dockerfile", ".dockerignore"].map(read);
    let members = workspace
        .lines()
        .find_map(|line| line.strip_prefix("members = "));
    // Between quotation marks is every second piece.
    let members: Vec<&str> = members.unwrap().split('"').skip(1).step_by(2).collect();
    assert!(members.len() > 3, "{members:?}");
    for member in members {
        // Cargo refuses a workspace that lacks the Cargo.toml of a member.
        let copied = format!("\nCOPY {member}/Cargo.toml {member}/\n");
        assert!(
            dockerfile.contains(&copied),
            "the Dockerfile copies no {member}/Cargo.toml"
        );
        let whole = member.split('/').next().unwrap();
        let sent = |path: &str| taken.lines().any(|line| line == format!("!{path}"));
        assert!(
            sent(whole) || sent(&format!("{member}/Cargo.toml")),
            ".dockerignore keeps {member} away"
        );
    }
}
