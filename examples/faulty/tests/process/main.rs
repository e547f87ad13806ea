//! What functions can do to their process, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod isolation;
mod server;
mod watchdog;
