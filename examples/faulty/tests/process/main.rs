//! What functions can do to their process, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;
mod watchdog;
