//! Files that are shown to everybody: those of hosting's folder, and no others.

use std::os::unix::fs::symlink;

use super::{Aviary, corpus};
use crate::harness::Launch;

#[tokio::test]
async fn no_url_shows_a_file_that_is_not_hostings() {
    let mut aviary = Aviary::over(Launch::new().hosting("the page")).await;
    let folder = aviary.router.folder();
    let public = folder.join("public");
    for (target, link) in [
        (folder.join("canary/secret.txt"), "link.txt"),
        (folder.join("canary"), "folder"),
        ("../disk/secret.txt".into(), "relative.txt"),
        ("/etc/passwd".into(), "passwd"),
    ] {
        symlink(target, public.join(link)).unwrap();
    }
    aviary.before = super::surroundings(folder);

    let router = &aviary.router;
    let page = router.get("/index.html").send().await;
    assert_eq!((page.status, page.text().as_str()), (200, "the page"));
    let links = [
        "link.txt",
        "folder/secret.txt",
        "folder/",
        "relative.txt",
        "passwd",
    ];
    let mut names = corpus::names(router);
    names.extend(links.map(str::to_owned));
    for name in names {
        for target in [
            format!("/{name}"),
            format!("/folder/{name}"),
            format!("/x/../{name}"),
        ] {
            if target.contains([' ', '\r', '\n']) {
                continue;
            }
            let reply = router.get(&target).send().await;
            aviary.heard(&target, &reply);
            let is_page = reply.status == 200 && reply.text() == "the page";
            assert!(is_page || reply.status >= 300, "{target}: {reply:?}");
        }
    }
    aviary.is_untouched().await;
}
