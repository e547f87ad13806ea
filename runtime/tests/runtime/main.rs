//! The runtime over real sockets, with functions made for these tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod callable;
mod callable_functions;
mod callable_streams;
mod edge;
mod events;
mod forwarded;
mod functions;
mod hosting;
mod limits;
mod metrics;
mod paths;
mod published_events;
mod rate_limit;
mod reload;
mod responses;
mod rewrites;
mod slow_clients;
mod survival;
