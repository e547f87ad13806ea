//! TLS for whatever the process calls: rustls on aws-lc-rs, trusting the roots compiled in, so that
//! an image needs no CA bundle.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A client's side, with `more` trusted beside the public roots.
pub(crate) fn client_config(
    more: impl IntoIterator<Item = rustls::pki_types::CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in more {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The HTTP client for the few fixed hosts that the runtime itself calls.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    Ok(client_builder()?.build()?)
}

/// What all HTTP clients have in common: no redirects, no proxy from the environment.
pub(crate) fn client_builder() -> anyhow::Result<reqwest::ClientBuilder> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(client_config([])?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(std::time::Duration::from_secs(3)))
}
