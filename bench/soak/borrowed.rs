//! What the product's own tests have for this: signed tokens, a key server, a PostgreSQL that cannot outlive its
//! process, edits of the manifest, bytes that say whose they are.

#[allow(clippy::unwrap_used, reason = "a run that cannot go on has failed")]
#[path = "../../functions/tests/crash/content.rs"]
pub(crate) mod content;
#[path = "../../functions/tests/router/harness/form.rs"]
pub(crate) mod form;
#[path = "../../functions/tests/router/harness/identity.rs"]
pub(crate) mod identity;
#[path = "../../functions/tests/router/harness/key_server.rs"]
pub(crate) mod key_server;
#[path = "../../functions/tests/router/harness/manifest.rs"]
pub(crate) mod manifest;
#[path = "../../functions/tests/router/harness/postgres.rs"]
pub(crate) mod postgres;

/// The project of manifest.toml.
pub(crate) const PROJECT: &str = "holograms-media";
