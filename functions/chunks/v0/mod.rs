//! Cloud Storage for Firebase, as the SDKs speak it: `/v0/b/{bucket}/o`.
#![allow(dead_code)]

mod multipart;
mod query;
