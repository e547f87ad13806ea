//! Functions that do next to nothing, so that what is measured is the runtime.

mod gate;

include!(concat!(env!("OUT_DIR"), "/functions.rs"));
