//! Who asks: as many users as the chat's rate limit takes, with tokens that are renewed in time.

use std::sync::RwLock;
use std::time::Duration;

use crate::borrowed::content::random;
use crate::borrowed::identity::{FORGED, SECOND, Token};

/// At 200 requests a second each chats ten times a minute, of 30 that are allowed.
pub(crate) const USERS: usize = 200;
const RENEWAL: Duration = Duration::from_secs(40 * 60);

pub(crate) fn uid(user: usize) -> String {
    format!("soak-{user}")
}

/// The current token of each user.
pub(crate) struct Tokens(RwLock<Vec<String>>);

impl Tokens {
    pub(crate) fn new() -> Self {
        Self(RwLock::new(signed()))
    }

    pub(crate) fn of(&self, user: usize) -> String {
        self.0.read().expect("tokens")[user].clone()
    }

    /// As Firebase's clients do it, before a token's hour is over.
    pub(crate) async fn renew(&self) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            let new = tokio::task::spawn_blocking(signed).await;
            *self.0.write().expect("tokens") = new.expect("signatures");
        }
    }
}

fn signed() -> Vec<String> {
    (0..USERS)
        .map(|user| Token::of(&uid(user)).signed())
        .collect()
}

pub(crate) fn any() -> usize {
    random(USERS as u64) as usize
}

/// What nobody who knows the keys has signed.
pub(crate) fn forged() -> String {
    Token::of(&uid(any())).signed_with(&FORGED)
}

/// By a key that the key server does not know.
pub(crate) fn of_an_unknown_key() -> String {
    Token::of(&uid(any())).signed_by(&SECOND)
}
