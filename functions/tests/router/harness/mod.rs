//! What every test here stands on: the real binary, a stub of Google's keys, tokens, a database.
//!
//! Nothing in this folder knows what a function answers; it knows how to start one and how to ask.

pub(crate) mod account_server;
pub(crate) mod client;
pub(crate) mod disk;
pub(crate) mod event;
pub(crate) mod form;
pub(crate) mod http2;
pub(crate) mod identity;
pub(crate) mod key_server;
pub(crate) mod manifest;
pub(crate) mod media;
pub(crate) mod postgres;
pub(crate) mod provider;
pub(crate) mod router;
pub(crate) mod rows;
pub(crate) mod users;

use std::time::Duration;

pub(crate) use account_server::{AccountServer, Outage};
pub(crate) use client::{Call, Reply, Wire};
pub(crate) use event::Event;
pub(crate) use identity::Token;
pub(crate) use key_server::{Answer, KeyServer};
pub(crate) use provider::Provider;
pub(crate) use router::{Launch, Router};
pub(crate) use users::Engine;

/// The project and region of manifest.toml.
pub(crate) const PROJECT: &str = "holograms-media";
pub(crate) const REGION: &str = "europe-west1";
/// An origin that `[cors.app]` lists.
pub(crate) const ORIGIN: &str = "https://holograms.media";

/// After this long a test that waits has failed; nothing is ever asserted about a shorter time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Asks again and again until `condition` holds.
///
/// # Panics
/// When it does not hold within [`PATIENCE`].
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"));
}

/// Runs each named `async fn(Engine)` once on SQLite and once on PostgreSQL.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::harness::Engine::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::harness::Engine::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;
