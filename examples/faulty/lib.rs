//! Functions that do what no function should, for tests of how the process bears it: it is started as
//! a program of its own, because some of these end it; those in processes of their own end only theirs.

include!(concat!(env!("OUT_DIR"), "/functions.rs"));
