//! What survives when the process dies, the disk fails or a function does: the real binary, built
//! with fail points (`runtime/src/failpoint.rs`), over sockets and on a real disk.
//!
//! Seven layers, and a check that they see something: [`left_out`] leaves one step of the protocol out
//! at a time, and each must be noticed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../router/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "one harness for two programs, and this one asks for less"
)]
mod harness;

mod content;
mod effects;
mod oracle;
mod server;
mod settings;

mod disk_full;
mod events;
mod failing_disk;
mod left_out;
mod named_points;
mod order;
mod random_kills;
mod sessions;
