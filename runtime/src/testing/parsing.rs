//! What reads the bytes of strangers, one call each: for the fuzz targets.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Uri};
use manifest::{Manifest, ObjectNameTemplate, Senders};
use serde_json::Value;

use crate::connection::{self, Flaw};
use crate::edge;
use crate::error::Error;
use crate::events::CloudEvent;
use crate::events::receive::receive;
use crate::forwarded::TrustedProxies;
use crate::identity::{
    AppVerifier, AuthError, KeySource, KeySourceSettings, Principal, SenderVerifier, Verifier,
};
use crate::present::Present;
use crate::route::RouteTable;
use crate::storage::{ObjectName, Place, owner_segment};

/// What a connection sees of the bytes of a head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub length: usize,
    pub is_complete: bool,
    pub is_too_long: bool,
    pub is_ambiguous: bool,
}

impl Head {
    pub fn of<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut head = connection::Head::default();
        for piece in pieces {
            head.read(piece);
        }
        Self {
            length: head.length(),
            is_complete: head.is_complete(),
            is_too_long: head.flaw() == Some(Flaw::TooLong),
            is_ambiguous: head.flaw() == Some(Flaw::Ambiguous),
        }
    }
}

/// The host of a request in whose head no flaw was seen.
///
/// # Errors
/// The status of the refusal.
pub fn host<B>(request: &Request<B>) -> Result<&str, u16> {
    let present = Present::of(request.headers());
    edge::check(request, present).map_err(|error| error.status().as_u16())
}

/// Who sent a request, and under which origin it arrived, when `proxies` are trusted.
///
/// # Errors
/// What is wrong with the list of `proxies`.
pub fn client<B>(
    proxies: &str,
    peer: IpAddr,
    request: &Request<B>,
) -> Result<(IpAddr, Option<String>), String> {
    let proxies: TrustedProxies = proxies.parse()?;
    let client = proxies.client(peer, request);
    Ok((client.address, client.origin().map(str::to_owned)))
}

/// The table of a manifest's URLs.
pub struct Routes {
    table: RouteTable,
    names: Vec<String>,
}

/// The function that a request means.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub function: String,
    /// What the function sees.
    pub uri: Uri,
    pub rewritten: bool,
}

impl Routes {
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            table: RouteTable::new(manifest, manifest.functions.values()),
            names: manifest.functions.keys().cloned().collect(),
        }
    }

    /// # Errors
    /// The status of the refusal.
    pub fn find(&self, host: &str, method: &Method, uri: &Uri) -> Result<Found, u16> {
        let found = self.table.lookup(host, method, uri.path());
        let found = found.map_err(|unmatched| Error::from(unmatched).status().as_u16())?;
        Ok(Found {
            function: self.names[found.function].clone(),
            uri: found.path.uri(uri),
            rewritten: found.rewritten,
        })
    }
}

/// Where an object lies below its bucket's folder: the folders, then the file. `prefix` is what the
/// bucket's names begin with before the owner. `None`: no object has that name.
pub fn place(name: &str, prefix: &str) -> Option<Vec<String>> {
    let template = ObjectNameTemplate {
        prefix: prefix.to_owned(),
    };
    let place = Place::of(&ObjectName::new(name).ok()?, &template);
    let mut path = place.folders().to_vec();
    path.push(place.file().to_owned());
    Some(path)
}

/// A uid as one segment of object names.
pub fn segment_of_owner(uid: &str) -> String {
    owner_segment(uid)
}

/// The event of a POST.
///
/// # Errors
/// What is wrong with it.
pub fn event(path: &str, headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent<Value>, String> {
    receive(path, headers, body).map_err(|malformed| malformed.to_string())
}

/// Public keys that are given, not fetched.
#[derive(Clone)]
pub struct Keys(Arc<KeySource>);

impl Keys {
    /// # Panics
    /// Outside a runtime of tokio.
    pub fn none() -> Self {
        Self(KeySource::of_answers(KeySourceSettings {
            url: String::new(),
            client: super::http_client(),
            services: tokio::runtime::Handle::current(),
        }))
    }

    /// Puts a JSON Web Key Set in force, and returns its number.
    ///
    /// # Errors
    /// When it is none, or has no key: the keys before it stay.
    pub fn install(&self, answer: &[u8]) -> anyhow::Result<u64> {
        self.0.install_answer(answer)?;
        Ok(self.number())
    }

    /// 0: there are no keys yet.
    pub fn number(&self) -> u64 {
        self.0.current_set()
    }
}

/// Who verifies tokens.
pub struct Tokens {
    users: Verifier,
    apps: AppVerifier,
    senders: SenderVerifier,
    trusted: Senders,
}

impl Tokens {
    /// For users and apps of `project`, and events from `sender`, sent to `audience`.
    pub fn new(project: &str, audience: &str, sender: &str, keys: &Keys) -> Self {
        Self {
            users: Verifier::new(project, keys.0.clone(), false),
            apps: AppVerifier::new(project, keys.0.clone(), false),
            senders: SenderVerifier::new(None, keys.0.clone()),
            trusted: Senders {
                audience: audience.to_owned(),
                emails: vec![sender.to_owned()],
            },
        }
    }

    /// # Errors
    /// When the headers prove no user.
    pub async fn user(&self, headers: &HeaderMap) -> Result<Arc<Principal>, AuthError> {
        self.users.verify(headers).await
    }

    /// # Errors
    /// When the headers prove no app.
    pub async fn app(&self, headers: &HeaderMap) -> Result<Arc<str>, AuthError> {
        self.apps.verify(headers).await
    }

    /// # Errors
    /// When the headers do not prove the sender.
    pub async fn sender(&self, headers: &HeaderMap) -> Result<Arc<Principal>, AuthError> {
        self.senders.verify(headers, Some(&self.trusted)).await
    }
}
