//! `router token`: tokens for `router dev`, unsigned like those of Firebase's emulator.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::json;

use super::{print, serve};
use crate::config::Overrides;
use crate::function::Registry;

#[derive(Args)]
pub(super) struct Options {
    /// The user's id
    #[arg(long)]
    uid: String,
    /// The user's e-mail address
    #[arg(long)]
    email: Option<String>,
}

pub(super) fn run(registry: &Registry, options: &Options) -> anyhow::Result<()> {
    let manifest = serve::manifest_of(registry.manifest, &Overrides::from_environment())?;
    print(&unsigned(
        &manifest.project.id,
        &options.uid,
        options.email.as_deref(),
    ));
    Ok(())
}

/// The emulator's form: `alg` is `none` and the third part is empty.
pub(crate) fn unsigned(project: &str, uid: &str, email: Option<&str>) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims = json!({
        "iss": format!("https://securetoken.google.com/{project}"),
        "aud": project,
        "auth_time": now,
        "user_id": uid,
        "sub": uid,
        "iat": now,
        "exp": now + 3600,
        "firebase": {"identities": {}, "sign_in_provider": "custom"},
    });
    if let Some(email) = email {
        claims["email"] = email.into();
        claims["email_verified"] = false.into();
        claims["firebase"]["identities"]["email"] = json!([email]);
    }
    let header = json!({"alg": "none", "typ": "JWT"});
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&header), part(&claims))
}
