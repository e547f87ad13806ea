//! Turns manifest.toml into the module list and the registry.

fn main() {
    manifest::codegen::generate();
}
