//! A stand-in for two of Google's servers: the one that gives a service account access tokens, and the
//! Identity Toolkit, which says what becomes of users.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::PROJECT;
use super::identity::{SERVICE, now};

const EMAIL: &str = "functions@holograms-media.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/identitytoolkit";
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// How the servers fail to say anything of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    NoAccessToken,
    AccessTokenOfGarbage,
    /// The Identity Toolkit does not take the access token.
    Forbidden,
    Failure,
    Silence,
    Garbage,
    AnotherUser,
    TimeOfGarbage,
    Huge,
    Redirect,
}

impl Outage {
    pub(crate) const ALL: [Self; 10] = [
        Self::NoAccessToken,
        Self::AccessTokenOfGarbage,
        Self::Forbidden,
        Self::Failure,
        Self::Silence,
        Self::Garbage,
        Self::AnotherUser,
        Self::TimeOfGarbage,
        Self::Huge,
        Self::Redirect,
    ];
}

struct State {
    /// By path and uid.
    users: HashMap<(String, String), Value>,
    outage: Option<Outage>,
    /// Seconds.
    life: u64,
    access_tokens: Vec<String>,
    lookups: Vec<String>,
}

/// The stub; it lives as long as the test's runtime.
pub(crate) struct AccountServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl AccountServer {
    /// Knows nobody.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            users: HashMap::new(),
            outage: None,
            life: 3599,
            access_tokens: Vec::new(),
            lookups: Vec::new(),
        }));
        tokio::spawn(serve(listener, address, Arc::clone(&state)));
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Of the account that it gives access tokens.
    pub(crate) fn key_file(&self) -> String {
        let file = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "service",
            "private_key": SERVICE.pem(),
            "client_email": EMAIL,
            "token_uri": format!("{}/token", self.url()),
        });
        file.to_string()
    }

    /// As `base64` writes it, in lines.
    pub(crate) fn encoded_key_file(&self) -> String {
        let text = BASE64_STANDARD.encode(self.key_file());
        let (first, rest) = text.split_at(76);
        format!("{first}\n{rest}\n")
    }

    /// From now on a user is known, with what is beside the uid.
    pub(crate) fn knows(&self, uid: &str, user: Value) {
        self.knows_at(&format!("/v1/projects/{PROJECT}"), uid, user);
    }

    /// Knows a user of a tenant, and nowhere else.
    pub(crate) fn knows_in(&self, tenant: &str, uid: &str, user: Value) {
        self.knows_at(
            &format!("/v1/projects/{PROJECT}/tenants/{tenant}"),
            uid,
            user,
        );
    }

    fn knows_at(&self, path: &str, uid: &str, mut user: Value) {
        user["localId"] = uid.into();
        let key = (format!("{path}/accounts:lookup"), uid.to_owned());
        self.state.lock().expect("state").users.insert(key, user);
    }

    pub(crate) fn fails(&self, outage: impl Into<Option<Outage>>) {
        self.state.lock().expect("state").outage = outage.into();
    }

    /// How long the next access tokens count, in seconds.
    pub(crate) fn gives_access_for(&self, life: u64) {
        self.state.lock().expect("state").life = life;
    }

    /// Forgets the access tokens that it gave, which it still counts.
    pub(crate) fn takes_access_away(&self) {
        let mut state = self.state.lock().expect("state");
        state.access_tokens.iter_mut().for_each(String::clear);
    }

    /// Every access token that was given.
    pub(crate) fn access_tokens(&self) -> Vec<String> {
        self.state.lock().expect("state").access_tokens.clone()
    }

    /// The uids that were looked up, in order.
    pub(crate) fn lookups(&self) -> Vec<String> {
        self.state.lock().expect("state").lookups.clone()
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&state, address, request));
            // The router may hang up on an answer that it refuses to read; that is its right.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    state: &Mutex<State>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a request").to_bytes();
    let body = String::from_utf8(body.into()).expect("a request of text");
    let path = head.uri.path();
    let (status, text) = if path == "/token" {
        let token_uri = format!("http://{address}/token");
        give_access(&mut state.lock().expect("state"), &token_uri, &body)
    } else {
        let bearer = head.headers.get("authorization");
        let bearer = bearer.map_or("", |value| value.to_str().expect("ASCII"));
        let answer = look_up(&mut state.lock().expect("state"), path, bearer, &body);
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=UTF-8")
        .header("location", "/elsewhere")
        .body(text.into());
    Ok(response.expect("a response"))
}

/// The status and the body.
type Answer = (StatusCode, String);

fn give_access(state: &mut State, token_uri: &str, body: &str) -> Answer {
    let refusal = || {
        (
            StatusCode::BAD_REQUEST,
            r#"{"error":"invalid_grant"}"#.to_owned(),
        )
    };
    match state.outage {
        Some(Outage::NoAccessToken) => return refusal(),
        Some(Outage::AccessTokenOfGarbage) => return (StatusCode::OK, "<html>".to_owned()),
        _ => {}
    }
    let assertion = body.strip_prefix(GRANT).unwrap_or_default();
    let Some(claims) = SERVICE.claims(assertion) else {
        return refusal();
    };
    let issued = claims["iat"].as_i64().expect("iat");
    let expected = json!({
        "iss": EMAIL, "scope": SCOPE, "aud": token_uri, "iat": issued, "exp": issued + 3600,
    });
    if claims != expected || (issued - now()).abs() > 30 {
        return refusal();
    }
    let token = format!("ya29.access-{}", state.access_tokens.len());
    state.access_tokens.push(token.clone());
    let answer = json!({"access_token": token, "expires_in": state.life, "token_type": "Bearer"});
    (StatusCode::OK, answer.to_string())
}

/// `None`: silence.
fn look_up(state: &mut State, path: &str, bearer: &str, body: &str) -> Option<Answer> {
    let body: Value = serde_json::from_str(body).expect("a look-up in JSON");
    let uid = body["localId"][0].as_str().expect("a uid");
    assert_eq!(
        body,
        json!({"localId": [uid]}),
        "one user, and nothing else"
    );
    state.lookups.push(uid.to_owned());
    let held = bearer.strip_prefix("Bearer ").unwrap_or_default();
    if held.is_empty() || !state.access_tokens.iter().any(|token| token == held) {
        return Some((StatusCode::UNAUTHORIZED, "{}".to_owned()));
    }
    let key = (path.to_owned(), uid.to_owned());
    let users = state.users.get(&key).map(|user| vec![user.clone()]);
    let mut answer = json!({"kind": "identitytoolkit#GetAccountInfoResponse"});
    if let Some(users) = users {
        answer["users"] = users.into();
    }
    let text = answer.to_string();
    Some(match state.outage {
        None | Some(Outage::NoAccessToken | Outage::AccessTokenOfGarbage) => (StatusCode::OK, text),
        Some(Outage::Forbidden) => (StatusCode::FORBIDDEN, text),
        Some(Outage::Failure) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        Some(Outage::Silence) => return None,
        Some(Outage::Garbage) => (StatusCode::OK, "<html>".to_owned()),
        Some(Outage::AnotherUser) => (StatusCode::OK, text.replace(uid, "somebody")),
        Some(Outage::TimeOfGarbage) => {
            let user = json!({"localId": uid, "validSince": "soon"});
            (StatusCode::OK, json!({"users": [user]}).to_string())
        }
        Some(Outage::Huge) => (StatusCode::OK, format!("{}{text}", " ".repeat(1 << 20))),
        Some(Outage::Redirect) => (StatusCode::FOUND, text),
    })
}
