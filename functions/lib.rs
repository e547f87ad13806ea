//! The functions. Each is one file (or folder) and one entry in manifest.toml, from which the build
//! script generates the module list and [`registry`].

mod tables;
mod tria;

#[cfg(feature = "testing")]
pub mod testing;

include!(concat!(env!("OUT_DIR"), "/functions.rs"));
