//! The manifest as its users meet it: texts in, models, faults and generated code out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod arbitrary;
mod codegen;
mod compiled;
mod faults;
mod model;
mod report;

/// The product's own manifest.
const PRODUCT: &str = include_str!("../../../../manifest.toml");

/// What most texts of these tests begin with.
const HEAD: &str = r#"manifest = 1
[project]
id = "holograms-media"
regions = ["europe-west1"]
[cors.app]
origins = ["https://holograms.media"]
[buckets.chunks]
root = "user_chunks"
object_name = "user_uploads/{uid}/{path}"
owner = "uid"
max_object = "2GiB"
"#;
