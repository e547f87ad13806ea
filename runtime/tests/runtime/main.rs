//! The runtime over real sockets, with functions made for these tests.

mod edge;
mod functions;
mod limits;
mod paths;
mod responses;
mod survival;
