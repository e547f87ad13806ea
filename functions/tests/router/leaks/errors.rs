//! A tour of the faults: whatever breaks, an answer is a fixed text that says nothing of the inside.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use super::TARGETS;
use crate::harness::event::EVENT_TOKEN;
use crate::harness::provider::{API_KEY, Answer};
use crate::harness::router::upload_url;
use crate::harness::{self, Call, Engine, KeyServer, Launch, Provider, Reply, Router, Token, form};
use crate::storage_v0::{media, multipart, objects, signed_in};

/// What only the inside says: of the system, its files, statements and libraries; in lower case.
const INSIDE: [&str; 36] = [
    "os error",
    "no such file",
    "not a directory",
    "is a directory",
    "read-only file",
    "broken pipe",
    "connection refused",
    "connection reset",
    "timed out",
    "/tmp",
    "user_chunks",
    ".staging",
    "%2f",
    ".sqlite",
    "sqlite",
    "postgres",
    "db error",
    "relation",
    "column",
    "constraint",
    "syntax error",
    "select ",
    "insert ",
    "update ",
    "delete from",
    "tokio",
    "hyper",
    "reqwest",
    "serde",
    "rustls",
    "at line",
    "panicked",
    ".rs:",
    "backtrace",
    "jwks",
    "127.0.0.1:",
];

/// One that is understood, and many that are not.
const BODIES: [(&str, &str); 7] = [
    (
        "application/json",
        "{\"message\": \"ping\", \"data\": {\"text\": \"ping\"}}",
    ),
    ("application/json", "{\"message\": 1, "),
    (
        "application/json",
        "{\"message\": {\"a\": []}, \"data\": 7, \"filename\": 1}",
    ),
    (
        "multipart/form-data; boundary=x",
        "--x\r\ncontent-disposition: nonsense",
    ),
    ("multipart/related; boundary=x", "--x\r\n\r\n{\r\n--x--"),
    ("application/cloudevents+json", "{\"specversion\": \"1.0\""),
    ("text/plain", "\0"),
];

const WRONG_TARGETS: [&str; 6] = [
    "/%",
    "/%ff",
    "//",
    "/v0/b/%zz/o/%zz",
    "/v0/b/x/o",
    "/api/v1/chunks/download_chunk/%/%",
];

/// Every answer of the tour that refuses something.
struct Tour {
    /// Of the fault that is made at the moment.
    stop: &'static str,
    statuses: BTreeSet<(&'static str, u16)>,
}

impl Tour {
    #[track_caller]
    fn saw(&mut self, router: &Router, reply: &Reply) {
        if reply.status < 400 {
            return;
        }
        self.statuses.insert((self.stop, reply.status));
        let folder = router.folder().to_str().unwrap().to_lowercase();
        let headers = format!("{:?}", reply.headers);
        for text in [reply.text().to_lowercase(), headers.to_lowercase()] {
            let told = INSIDE
                .iter()
                .copied()
                .chain([&*folder, API_KEY])
                .find(|inside| text.contains(inside));
            assert_eq!(told, None, "{}: {text}", self.stop);
        }
    }

    async fn send(&mut self, router: &Router, call: Call) {
        let reply = call.send().await;
        self.saw(router, &reply);
    }

    /// Everything that can be asked, in its usual form and in forms that are wrong.
    async fn ask(&mut self, router: &Router) {
        let token = Token::of("U1").signed();
        for (method, target) in TARGETS {
            let call = || router.call(method, target);
            for (media_type, body) in BODIES {
                let call = || call().header("content-type", media_type).body(body);
                self.send(router, call()).await;
                self.send(router, call().bearer(&token)).await;
                self.send(router, call().bearer(EVENT_TOKEN)).await;
            }
            let zipped = call().header("content-encoding", "gzip").body("x");
            self.send(router, zipped.bearer(&token)).await;
            let large = call().header("content-length", "99999999999").body("");
            self.send(router, large.bearer(&token)).await;
        }
        for target in WRONG_TARGETS {
            self.send(router, router.get(target).bearer(&token)).await;
        }
        for uid in ["U1", "U2"] {
            self.ask_for_objects(router, uid).await;
        }
        self.saw(router, &router.sync(&token).await);
        self.saw(router, &router.sync("nonsense").await);
    }

    /// As their owner, and as somebody else.
    async fn ask_for_objects(&mut self, router: &Router, uid: &str) {
        let (owner, other) = (Token::of(uid).signed(), Token::of("U1").signed());
        let name = format!("user_uploads/{uid}/b/c");
        let list = format!(
            "{}?prefix=user_uploads/{uid}/&pageToken=nonsense",
            objects()
        );
        self.saw(router, &router.upload(uid, &owner, "a.webm", b"x").await);
        self.saw(router, &router.upload(uid, &other, "../x", b"x").await);
        self.saw(router, &router.download(uid, &owner, "a.webm").await);
        let call = multipart(router, &name, &json!({}), b"x");
        self.send(router, signed_in(call, "U1")).await;
        for target in [media(&name), list] {
            self.send(router, signed_in(router.get(&target), "U1"))
                .await;
        }
        let url = upload_url(uid);
        self.send(router, router.call("DELETE", &url)).await;
        let nameless = router.post(&url).form(form::part("x", None, b"x"));
        self.send(router, nameless.bearer(&other)).await;
    }
}

async fn start(launch: Launch) -> Router {
    let router = launch
        .env("ADMIN_TOKEN", "an-admin-token-of-the-tests")
        .start()
        .await;
    for uid in ["U1", "U2"] {
        let token = Token::of(uid).signed();
        assert_eq!(router.upload(uid, &token, "a.webm", b"x").await.status, 200);
        assert!(router.sync(&token).await.status < 300);
    }
    router
}

#[tokio::test]
async fn no_refusal_says_anything_of_the_inside() {
    let mut tour = Tour {
        stop: "nothing is broken",
        statuses: BTreeSet::new(),
    };
    let provider = Provider::start().await;
    let router = start(provider.launch()).await;
    tour.ask(&router).await;

    tour.stop = "the provider fails";
    for answer in [
        Answer::Fails(401),
        Answer::Body(format!("{{{API_KEY}")),
        Answer::Redirect,
    ] {
        provider.always(answer);
        let call = router.post("/tria_chat").bearer(Token::of("U3").signed());
        let call = call.header("content-type", "application/json");
        tour.saw(
            &router,
            &call.body("{\"data\":{\"text\":\"ping\"}}").send().await,
        );
    }

    tour.stop = "a folder became a file";
    let folder = router.disk().join("user_chunks/U1");
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "not a folder").unwrap();
    tour.ask(&router).await;

    tour.stop = "the folder of unfinished uploads is gone";
    fs::remove_dir_all(router.disk().join(".staging")).unwrap();
    tour.ask(&router).await;

    tour.stop = "a table of the ledger is gone";
    spoil(&router, ".ledger/ledger", "objects");
    tour.ask(&router).await;

    tour.stop = "a table of the functions is gone";
    spoil(&router, "functions", "users");
    tour.ask(&router).await;

    for expected in [
        ("nothing is broken", 400),
        ("nothing is broken", 401),
        ("nothing is broken", 403),
        ("nothing is broken", 404),
        ("nothing is broken", 405),
        ("nothing is broken", 413),
        ("nothing is broken", 415),
        ("the provider fails", 503),
        ("a folder became a file", 500),
        ("the folder of unfinished uploads is gone", 500),
        ("a table of the ledger is gone", 500),
        ("a table of the functions is gone", 500),
    ] {
        assert!(
            tour.statuses.contains(&expected),
            "no {expected:?}: {:?}",
            tour.statuses
        );
    }
}

/// Takes a table away below the running router.
fn spoil(router: &Router, database: &str, table: &str) {
    let path = router.disk().join(format!("{database}.sqlite3"));
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(&format!("ALTER TABLE {table} RENAME TO gone_{table}"))
        .unwrap();
}

#[tokio::test]
async fn no_refusal_says_which_database_there_is_or_what_is_wrong_with_it() {
    let mut tour = Tour {
        stop: "a table of PostgreSQL is gone",
        statuses: BTreeSet::new(),
    };
    let router = start(Launch::new().engine(Engine::Postgres)).await;
    let database = router.database().unwrap();
    database.run("ALTER TABLE users RENAME TO gone").await;
    tour.ask(&router).await;

    tour.stop = "PostgreSQL cannot be reached";
    let url = "postgresql://user:hunter2@127.0.0.1:9/db?sslmode=disable";
    let unreachable = Launch::new().env("NEON_DATABASE_URL", url).start().await;
    tour.ask(&unreachable).await;

    tour.stop = "the keys cannot be had";
    let keys = KeyServer::start().await;
    keys.answers(harness::Answer::Garbage);
    let keyless = Launch::new()
        .env("FIREBASE_JWKS_URL", keys.url())
        .start()
        .await;
    tour.ask(&keyless).await;

    for expected in [
        ("a table of PostgreSQL is gone", 500),
        ("PostgreSQL cannot be reached", 500),
        ("PostgreSQL cannot be reached", 503),
        ("the keys cannot be had", 503),
    ] {
        assert!(
            tour.statuses.contains(&expected),
            "no {expected:?}: {:?}",
            tour.statuses
        );
    }
}
