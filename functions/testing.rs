//! What reads the bytes of strangers, one call each: for the fuzz targets. Nothing in the product refers
//! to this module.

pub use crate::chunks::testing::{Form, Parts, encoded, form, parts, query, upload};
pub use crate::process_chunk::testing::{Described, MOST_BYTES, describe};
