//! The functions that Google's conformance client for Functions Frameworks calls. What they are given
//! they write to a file, which the client reads.

mod output;
mod pause;

include!(concat!(env!("OUT_DIR"), "/functions.rs"));
