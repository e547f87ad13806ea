//! render.yaml and the router say the same.

use crate::harness::Router;
use crate::harness::manifest::{root, text};

fn blueprint() -> String {
    std::fs::read_to_string(root().join("render.yaml")).expect("render.yaml")
}

/// The values of `key: value` lines, comments left out.
fn values(yaml: &str, key: &str) -> Vec<String> {
    let wanted = format!("{key}:");
    yaml.lines()
        .filter_map(|line| {
            line.trim_start()
                .trim_start_matches("- ")
                .strip_prefix(&wanted)
        })
        .map(|value| {
            value
                .split(" #")
                .next()
                .unwrap_or_default()
                .trim()
                .trim_matches('"')
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_variable_of_the_blueprint_is_one_that_the_router_reads() {
    let config = std::fs::read_to_string(root().join("runtime/src/config.rs")).unwrap();
    let manifest = text();
    let names = values(&blueprint(), "key");
    assert!(!names.is_empty());
    for name in &names {
        let (quoted, optional) = (format!("\"{name}\""), format!("\"{name}?\""));
        let read = config.contains(&quoted);
        let secret = manifest.contains(&quoted) || manifest.contains(&optional);
        assert!(read || secret, "nobody reads {name}");
    }
}

#[test]
fn every_variable_that_production_needs_is_in_the_blueprint() {
    let names = values(&blueprint(), "key");
    for name in [
        "RENDER_DISK_BASE_PATH",
        "NEON_DATABASE_URL",
        "MISTRAL_API_KEY",
    ] {
        assert!(names.iter().any(|named| named == name), "{name} is missing");
    }
}

#[test]
fn the_disk_is_mounted_where_the_router_looks_for_it() {
    let yaml = blueprint();
    let mount = values(&yaml, "mountPath");
    let (_, variable) = yaml.split_once("key: RENDER_DISK_BASE_PATH").unwrap();
    assert_eq!(values(variable, "value").first(), mount.first());
    assert_eq!(values(&yaml, "numInstances"), ["1"]);
}

#[tokio::test]
async fn the_health_check_asks_for_a_path_that_is_served() {
    let router = Router::start().await;
    let paths = values(&blueprint(), "healthCheckPath");
    assert_eq!(paths.len(), 1);
    assert_eq!(router.get(&paths[0]).send().await.status, 200);
}
