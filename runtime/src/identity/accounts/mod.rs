//! What Firebase knows of an account beside what its tokens say: whether it still exists, may sign in, and
//! since when its tokens count. The Admin SDK's `checkRevoked`.
//!
//! What was learnt of an account is believed for ten seconds, and whoever asks meanwhile waits for the same
//! look-up, so that a burst of one user's costs one. When nothing can be learnt, the answer is
//! "cannot tell": neither "refused" nor "let in".

mod access_token;
mod service_account;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use super::fetched::Fetched;
use super::{AuthError, Principal};
use access_token::AccessTokens;

pub(crate) use service_account::ServiceAccount;

/// The longest time for which a revocation goes unnoticed.
const BELIEVED: Duration = Duration::from_secs(10);
/// A look-up that failed is not worth repeating sooner.
const BETWEEN_FAILURES: Duration = Duration::from_secs(1);
/// Of one look-up, with the access token that it may need first.
const PATIENCE: Duration = Duration::from_secs(4);
/// Accounts of which is remembered what was learnt.
const REMEMBERED: usize = 10_000;

pub(crate) struct AccountsSettings {
    pub(crate) project: String,
    /// Of the Identity Toolkit, without a path.
    pub(crate) url: String,
    /// Without redirects.
    pub(crate) client: reqwest::Client,
    /// Where look-ups run, apart from the functions.
    pub(crate) services: Handle,
}

/// The accounts of one project.
pub(crate) struct Accounts {
    settings: AccountsSettings,
    access: AccessTokens,
    /// By tenant and uid.
    learnt: Cache<String, Learnt>,
}

#[derive(Clone, Copy)]
struct Learnt {
    /// `None`: nothing could be learnt.
    account: Option<Account>,
    until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    /// Tokens of those who signed in before count for nothing; seconds since the epoch.
    ValidSince(u64),
    Disabled,
    Unknown,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    local_id: String,
    /// Seconds since the epoch, in digits. Absent: nothing was ever revoked.
    valid_since: Option<String>,
    #[serde(default)]
    disabled: bool,
}

impl Accounts {
    pub(crate) fn new(settings: AccountsSettings, account: ServiceAccount) -> Arc<Self> {
        Arc::new(Self {
            access: AccessTokens::new(account, settings.client.clone()),
            settings,
            learnt: Cache::new(REMEMBERED),
        })
    }

    /// Whether the account of a verified token still stands behind it.
    pub(super) async fn check(self: &Arc<Self>, user: &Principal) -> Result<(), AuthError> {
        let tenant = user.claims.get("firebase").and_then(|f| f.get("tenant"));
        let tenant = tenant.and_then(Value::as_str).map(str::to_owned);
        let signed_in = user.claims.get("auth_time").and_then(Value::as_u64);
        match self.account(tenant, user.uid.clone()).await {
            Some(account) => account.accepts(signed_in),
            None => Err(AuthError::Unavailable("the account cannot be looked up")),
        }
    }

    async fn account(self: &Arc<Self>, tenant: Option<String>, uid: String) -> Option<Account> {
        let key = format!("{}/{uid}", tenant.as_deref().unwrap_or_default());
        let is_old = |learnt: &Learnt| learnt.until <= Instant::now();
        if let Some(learnt) = self.learnt.get(&key)
            && !is_old(&learnt)
        {
            return learnt.account;
        }
        self.learnt.remove_if(&key, is_old);
        // In a task of its own: a caller that goes away does not make the next one begin again.
        let accounts = self.clone();
        let learning = async move {
            match accounts.learnt.get_value_or_guard_async(&*key).await {
                Ok(learnt) => learnt.account,
                Err(place) => {
                    let learnt = accounts.learn(tenant.as_deref(), &uid).await;
                    // Fails when the place was taken meanwhile, by what is as good.
                    let _ = place.insert(learnt);
                    learnt.account
                }
            }
        };
        self.settings.services.spawn(learning).await.ok().flatten()
    }

    async fn learn(&self, tenant: Option<&str>, uid: &str) -> Learnt {
        let account = match timeout(PATIENCE, self.look_up(tenant, uid)).await {
            Ok(Ok(account)) => Some(account),
            Ok(Err(error)) => {
                tracing::warn!(error = %format!("{error:#}"), "cannot look an account up");
                None
            }
            Err(_) => {
                tracing::warn!("cannot look an account up: no answer within {PATIENCE:?}");
                None
            }
        };
        let believed = match account {
            Some(_) => BELIEVED,
            None => BETWEEN_FAILURES,
        };
        Learnt {
            account,
            until: Instant::now() + believed,
        }
    }

    async fn look_up(&self, tenant: Option<&str>, uid: &str) -> anyhow::Result<Account> {
        let AccountsSettings { url, project, .. } = &self.settings;
        let mut url = reqwest::Url::parse(url)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "projects", project]);
            path.extend(tenant.into_iter().flat_map(|tenant| ["tenants", tenant]));
            path.push("accounts:lookup");
        }
        let token = self.access.get().await?;
        let request = self.settings.client.post(url).bearer_auth(token.expose());
        let answer = Fetched::from(request.json(&json!({"localId": [uid]}))).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.access.forget(&token).await;
        }
        let answer: Answer = answer.json()?;
        match answer.users.as_slice() {
            [] => Ok(Account::Unknown),
            [user] if user.local_id == uid => user.account(),
            _ => anyhow::bail!("the answer is about somebody else"),
        }
    }
}

impl User {
    fn account(&self) -> anyhow::Result<Account> {
        let valid_since = self.valid_since.as_deref().unwrap_or("0").parse();
        Ok(match self.disabled {
            true => Account::Disabled,
            false => Account::ValidSince(valid_since?),
        })
    }
}

impl Account {
    /// `signed_in`: the token's `auth_time`.
    fn accepts(self, signed_in: Option<u64>) -> Result<(), AuthError> {
        match self {
            Self::ValidSince(since) if signed_in.unwrap_or(0) >= since => Ok(()),
            Self::ValidSince(_) => Err(AuthError::Rejected("revoked")),
            Self::Disabled => Err(AuthError::Rejected("the account is disabled")),
            Self::Unknown => Err(AuthError::Rejected("there is no such account")),
        }
    }
}
