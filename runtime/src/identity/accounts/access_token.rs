//! Access tokens of Google's APIs: had for an assertion of the service account, kept until shortly before
//! they expire, asked for by one at a time.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ServiceAccount;
use crate::identity::fetched::Fetched;
use crate::identity::now;
use crate::secrets::Secret;

/// Of the form that asks for one; the assertion follows, in which nothing needs an escape.
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
/// Before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// Whatever the server says.
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);
/// A failure is not worth repeating sooner.
const BETWEEN_FAILURES: Duration = Duration::from_secs(1);

pub(super) struct AccessTokens {
    account: ServiceAccount,
    /// Without redirects.
    client: reqwest::Client,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    token: Option<AccessToken>,
    failed: Option<Instant>,
}

struct AccessToken {
    secret: Secret,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl AccessTokens {
    pub(super) fn new(account: ServiceAccount, client: reqwest::Client) -> Self {
        Self {
            account,
            client,
            last: Mutex::default(),
        }
    }

    pub(super) async fn get(&self) -> anyhow::Result<Secret> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(token) = &last.token
            && token.until > Instant::now()
        {
            return Ok(token.secret.clone());
        }
        let failed = last.failed;
        let recently = failed.is_some_and(|at| at >= asked || at.elapsed() < BETWEEN_FAILURES);
        anyhow::ensure!(!recently, "no access token a moment ago");
        match self.fetch().await {
            Ok(token) => {
                let secret = token.secret.clone();
                last.token = Some(token);
                Ok(secret)
            }
            Err(error) => {
                last.failed = Some(Instant::now());
                Err(error.context("cannot get an access token for the service account"))
            }
        }
    }

    /// Somebody refused `token` although its time is not over.
    pub(super) async fn forget(&self, token: &Secret) {
        let mut last = self.last.lock().await;
        if last
            .token
            .as_ref()
            .is_some_and(|held| held.secret == *token)
        {
            last.token = None;
        }
    }

    async fn fetch(&self) -> anyhow::Result<AccessToken> {
        let assertion = self.account.assertion(now())?;
        let request = self
            .client
            .post(&self.account.token_uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("{GRANT}{}", assertion.expose()));
        let answer: Answer = Fetched::from(request).await?.json()?;
        let life = Duration::from_secs(answer.expires_in).min(LONGEST_LIFE);
        Ok(AccessToken {
            secret: Secret::new(answer.access_token),
            until: Instant::now() + life.saturating_sub(MARGIN),
        })
    }
}
