//! Responses that come piece by piece.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use runtime::testing::{TestServer, http_client};
use runtime::{
    Context, Error, HttpFunction as _, Migrations, Registry, Request, Response, Result, stream,
};
use serde_json::json;
use tokio::sync::Semaphore;

const MANIFEST: &str = r#"
manifest = 1

[project]
id      = "demo-project"
regions = ["us-central1"]

[functions.pieces]
http   = {}
auth   = "none"
public = true
timeout = "5s"
"#;

async fn server() -> TestServer {
    let migrations = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    let registry = Registry::new(MANIFEST, migrations).function("pieces", pieces.into_function());
    TestServer::start(&registry)
        .await
        .expect("the server starts")
}

/// What a test and the function it calls meet at, by a name that the query gives.
fn gate(name: &str) -> Arc<Semaphore> {
    static GATES: Mutex<Option<HashMap<String, Arc<Semaphore>>>> = Mutex::new(None);
    let mut gates = GATES.lock().unwrap();
    let gates = gates.get_or_insert_default();
    let gate = || Arc::new(Semaphore::new(0));
    gates.entry(name.to_owned()).or_insert_with(gate).clone()
}

/// Three pieces, each of which the test lets through.
async fn pieces(context: Context, request: Request) -> Result<Response> {
    let gate = gate(request.uri().query().unwrap_or_default());
    Ok(stream(&context, |context| async move {
        for piece in 1..=3 {
            gate.acquire().await.unwrap().forget();
            context.send(&json!({"piece": piece})).await?;
        }
        Ok::<_, Error>("done")
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_piece_arrives_before_the_next_is_made() {
    let server = server().await;
    let mut response = http_client()
        .get(server.url("/pieces?in-order"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for piece in 1..=3 {
        gate("in-order").add_permits(1);
        let event = response.chunk().await.unwrap().unwrap();
        assert_eq!(
            event,
            format!("data: {{\"message\":{{\"piece\":{piece}}}}}\n\n")
        );
    }
    assert_eq!(
        response.text().await.unwrap(),
        "data: {\"result\":\"done\"}\n\n"
    );
}
