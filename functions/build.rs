//! Turns manifest.toml into the module list and the registry, and tells how the binary is linked.

use std::{env, fs};

fn main() {
    manifest::codegen::generate();
    if libc_has_packed_relocations() {
        // A start applies them all: packed, they are a hundredth of the bytes to read and to keep.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// glibc has since 2.36; an older one refuses to start such a program. Asked of the one that this very
/// program runs on, which says nothing of another machine's.
#[expect(clippy::disallowed_methods, reason = "so cargo tells a build script")]
fn libc_has_packed_relocations() -> bool {
    if env::var("HOST") != env::var("TARGET") {
        return false;
    }
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return false;
    };
    let libc = maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        path.ends_with("/libc.so.6").then_some(path)
    });
    let Some(Ok(libc)) = libc.map(fs::read) else {
        return false;
    };
    let version = b"GLIBC_ABI_DT_RELR";
    libc.windows(version.len()).any(|bytes| bytes == version)
}
