//! The functions that Google's conformance client for Functions Frameworks calls, some of which write what
//! they are given to a file that it reads; and callables for the Firebase SDKs.

mod output;
mod pause;

include!(concat!(env!("OUT_DIR"), "/functions.rs"));
