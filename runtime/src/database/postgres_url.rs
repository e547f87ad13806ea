//! From the URL an operator copies out of a console to what tokio-postgres understands.
//!
//! A URL holds a password, so no error here quotes any part of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DatabaseError;
use crate::tls;

const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);

/// A parsed URL: how to connect, and whom to trust besides the public authorities.
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) extra_root: Option<PathBuf>,
}

impl Target {
    /// Translates what libpq and other clients put into URLs:
    ///
    /// | in the URL | here |
    /// |---|---|
    /// | `sslmode=require`, `verify-ca`, `verify-full` | TLS with the chain **and** the name verified, always |
    /// | `sslmode=allow` | as `prefer` |
    /// | `sslrootcert=/path.pem` | trusted besides the public authorities; `system` adds nothing |
    /// | `pgbouncer=true` | dropped: every statement is safe behind a pooler |
    /// | everything else | as tokio-postgres reads it |
    pub(crate) fn parse(url: &str, connect_timeout: Duration) -> Result<Self, DatabaseError> {
        // A '?' before the '@' belongs to the password, as tokio-postgres reads it.
        let user_end = url.find('@').unwrap_or(0);
        let address_end = url[user_end..]
            .find('?')
            .map_or(url.len(), |length| user_end + length);
        let (address, query) = url.split_at(address_end);
        let query = query.trim_start_matches('?');
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| address.starts_with(scheme))
        {
            return Err(malformed(
                "it does not begin with postgres:// or postgresql://",
            ));
        }
        let mut extra_root = None;
        let mut kept = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("sslmode", "verify-ca" | "verify-full") => kept.push("sslmode=require"),
                ("sslmode", "allow") => kept.push("sslmode=prefer"),
                ("sslrootcert", "system") | ("pgbouncer", _) => {}
                ("sslrootcert", path) => {
                    let path = percent_decode_str(path)
                        .decode_utf8()
                        .map_err(|_| malformed("sslrootcert is not UTF-8"))?;
                    extra_root = Some(PathBuf::from(path.as_ref()));
                }
                _ => kept.push(option),
            }
        }
        let mut config: Config = format!("{address}?{}", kept.join("&"))
            .parse()
            .map_err(|_| malformed("an option after '?', the port or the escaping is wrong"))?;
        if config.get_hosts().is_empty() {
            return Err(malformed("it names no host"));
        }
        config.connect_timeout(connect_timeout);
        config.keepalives_idle(KEEPALIVES_IDLE);
        if config.get_application_name().is_none() {
            config.application_name("function-router");
        }
        Ok(Self { config, extra_root })
    }

    /// TLS as [`Config`] may ask for it.
    pub(crate) fn tls(&self) -> Result<MakeRustlsConnect, DatabaseError> {
        let unusable = |path: &Path, cause: &dyn std::fmt::Display| {
            DatabaseError::Settings(format!(
                "sslrootcert {} of the database URL cannot be used: {cause}",
                path.display()
            ))
        };
        let mut extra = Vec::new();
        if let Some(path) = &self.extra_root {
            extra = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unusable(path, &error))?;
            if extra.is_empty() {
                return Err(unusable(path, &"it holds no certificate"));
            }
        }
        let config = tls::client_config(extra)
            .map_err(|error| DatabaseError::Settings(format!("TLS cannot be set up: {error}")))?;
        Ok(MakeRustlsConnect::new(config))
    }
}

fn malformed(what: &str) -> DatabaseError {
    DatabaseError::Settings(format!(
        "the database URL cannot be used: {what}. Expected \
         postgres://user:password@host[:port]/database[?sslmode=require], with every character of \
         the password that is not a letter or a digit percent-encoded."
    ))
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::{ChannelBinding, SslMode};

    use super::*;

    fn parse(url: &str) -> Result<Target, DatabaseError> {
        Target::parse(url, Duration::from_secs(5))
    }

    #[test]
    fn the_options_of_other_clients_are_translated() {
        let base = "postgresql://u:p%40ss@ep-x-pooler.eu.aws.neon.tech/db";
        for (options, mode, root) in [
            ("", SslMode::Prefer, None),
            ("?sslmode=disable", SslMode::Disable, None),
            ("?sslmode=allow", SslMode::Prefer, None),
            ("?sslmode=require&pgbouncer=true", SslMode::Require, None),
            ("?sslmode=verify-ca", SslMode::Require, None),
            (
                "?sslrootcert=/a%20b/ca.pem&sslmode=verify-full",
                SslMode::Require,
                Some("/a b/ca.pem"),
            ),
            (
                "?sslmode=verify-full&sslrootcert=system",
                SslMode::Require,
                None,
            ),
        ] {
            let target = parse(&format!("{base}{options}")).unwrap();
            assert_eq!(target.config.get_ssl_mode(), mode, "{options}");
            assert_eq!(target.extra_root, root.map(PathBuf::from), "{options}");
            assert_eq!(target.config.get_password(), Some(&b"p@ss"[..]));
        }
    }

    #[test]
    fn a_question_mark_in_the_password_is_not_where_the_options_begin() {
        let target = parse("postgres://u:p?ss@host/db?sslmode=verify-full").unwrap();
        assert_eq!(target.config.get_password(), Some(&b"p?ss"[..]));
        assert_eq!(target.config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn a_url_as_neon_prints_it_is_understood() {
        let url = "postgresql://u:p@ep-x-pooler.eu.aws.neon.tech/db?sslmode=require&channel_binding=require";
        let config = parse(url).unwrap().config;
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(5)));
        assert_eq!(config.get_application_name(), Some("function-router"));
    }

    #[test]
    fn a_url_that_cannot_be_parsed_is_refused_without_its_password() {
        for url in [
            "",
            "hunter2",
            "postgresql+asyncpg://u:hunter2@host/db",
            "host=localhost password=hunter2",
            "postgres://u:hunter2@host:port/db",
            "postgres://u:hunter2@host/db?sslmode=always",
            "postgres://u:p@host/db?hunter2=1",
            "postgres:///db?password=hunter2",
            "postgres://u:%zz%ffhunter2@host/db?sslrootcert=%ff",
        ] {
            let Err(error) = parse(url) else {
                panic!("{url} was accepted")
            };
            assert!(matches!(error, DatabaseError::Settings(_)), "{url}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn an_unreadable_root_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        for path in [&empty, &folder.path().join("absent.pem")] {
            let url = format!("postgres://u:p@host/db?sslrootcert={}", path.display());
            let Err(DatabaseError::Settings(text)) = parse(&url).unwrap().tls().map(|_| ()) else {
                panic!("{} was accepted", path.display())
            };
            assert!(text.contains(path.to_str().unwrap()), "{text}");
        }
    }
}
