//! A text is a manifest or has errors, and means the same whenever it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::{Fault, Severity, parse, render, to_json};
use runtime::testing::parsing::Routes;
use runtime::{Method, Uri};

fuzz_target!(|text: &str| {
    let parsed = parse(text);
    let again = parse(text);
    assert_eq!(
        format!("{:?}", parsed.faults),
        format!("{:?}", again.faults)
    );
    assert_eq!(
        format!("{:?}", parsed.manifest),
        format!("{:?}", again.manifest)
    );

    let is_error = |fault: &Fault| fault.severity == Severity::Error;
    assert_eq!(
        parsed.manifest.is_none(),
        parsed.faults.iter().any(is_error)
    );
    for fault in &parsed.faults {
        assert!(fault.start <= fault.end, "{fault:?}");
        let related = fault.related.iter().map(|related| &related.span);
        for span in related.chain([&fault.span]) {
            assert!(text.get(span.clone()).is_some(), "{fault:?}");
        }
    }
    render(&parsed.faults, "manifest.toml", text);
    to_json(&parsed.faults, "manifest.toml");

    if let Some(manifest) = &parsed.manifest {
        let routes = Routes::new(manifest);
        for name in manifest.functions.keys() {
            let uri: Uri = format!("/{name}/x").parse().expect("a name is a segment");
            if let Ok(found) = routes.find("host", &Method::GET, &uri) {
                assert!(manifest.functions[&found.function].enabled);
            }
        }
    }
});
