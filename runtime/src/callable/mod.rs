//! What `httpsCallable` of the Firebase SDKs speaks, apart from the function behind it: the envelope of a
//! call, and how values are written in it.

mod longs;

pub(crate) use longs::encode;
