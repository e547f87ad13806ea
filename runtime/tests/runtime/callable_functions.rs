//! The callables under test, and a server that has them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use reqwest::RequestBuilder;
use runtime::testing::{TestServer, http_client};
use runtime::{
    CallableFunction, Context, Error, ErrorCode, Function, HttpFunction, Migrations, Registry,
    Request, Response, Result, stream,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub(crate) const ORIGIN: &str = "https://app.example";

pub(crate) fn registry() -> Registry {
    let migrations = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    Registry::new(include_str!("callable.toml"), migrations)
        .function("echo", callable(echo))
        .function("nothing", callable(nothing))
        .function("guarded", callable(echo))
        .function("attested", callable(echo))
        .function("open", callable(echo))
        .function("fail", callable(fail))
        .function("crash", callable(crash))
        .function("shift", callable(shift))
        .function("count", callable(count))
        .function("one", callable(count))
        .function("brief", callable(count))
        .function("rare", callable(echo))
        .function("pieces", HttpFunction::into_function(pieces))
}

fn callable<Shape>(function: impl CallableFunction<Shape>) -> Function {
    function.into_function()
}

pub(crate) async fn server() -> TestServer {
    TestServer::start(&registry())
        .await
        .expect("the server starts")
}

/// A call as the SDK for the web makes it.
pub(crate) fn call(server: &TestServer, path: &str, data: &Value) -> RequestBuilder {
    http_client()
        .post(server.url(path))
        .header("origin", ORIGIN)
        .json(&json!({"data": data}))
}

/// What the function was given, and what it knows of its caller.
async fn echo(context: Context, data: Value) -> Result<Value> {
    Ok(json!({
        "data": data,
        "uid": context.caller().ok().map(|caller| caller.uid.clone()),
        "app": context.app(),
        "instance_id": context.instance_id_token(),
        "streamed": context.send(&"a piece").await?,
    }))
}

async fn nothing(_context: Context, (): ()) -> Result<()> {
    Ok(())
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    details: Option<Value>,
}

async fn fail(context: Context, failure: Failure) -> Result<()> {
    context.send(&"before").await?;
    let code = CODES.iter().find(|(name, ..)| *name == failure.code);
    let (_, code, _) = code.expect("a code");
    let error = Error::new(*code, "the text").because("a secret text");
    Err(match failure.details {
        Some(details) => error.with_details(details),
        None => error,
    })
}

/// Every code, how it is spelled, and its HTTP status, as firebase-functions has them.
pub(crate) const CODES: [(&str, ErrorCode, u16); 16] = [
    ("CANCELLED", ErrorCode::Cancelled, 499),
    ("UNKNOWN", ErrorCode::Unknown, 500),
    ("INVALID_ARGUMENT", ErrorCode::InvalidArgument, 400),
    ("DEADLINE_EXCEEDED", ErrorCode::DeadlineExceeded, 504),
    ("NOT_FOUND", ErrorCode::NotFound, 404),
    ("ALREADY_EXISTS", ErrorCode::AlreadyExists, 409),
    ("PERMISSION_DENIED", ErrorCode::PermissionDenied, 403),
    ("RESOURCE_EXHAUSTED", ErrorCode::ResourceExhausted, 429),
    ("FAILED_PRECONDITION", ErrorCode::FailedPrecondition, 400),
    ("ABORTED", ErrorCode::Aborted, 409),
    ("OUT_OF_RANGE", ErrorCode::OutOfRange, 400),
    ("UNIMPLEMENTED", ErrorCode::Unimplemented, 501),
    ("INTERNAL", ErrorCode::Internal, 500),
    ("UNAVAILABLE", ErrorCode::Unavailable, 503),
    ("DATA_LOSS", ErrorCode::DataLoss, 500),
    ("UNAUTHENTICATED", ErrorCode::Unauthenticated, 401),
];

async fn crash(context: Context, _data: Value) -> Result<()> {
    context.send(&"before").await?;
    panic!("a secret text");
}

#[derive(Deserialize)]
struct Integers {
    signed: i64,
    unsigned: u64,
}

/// Shows that every digit arrived, by arithmetic that a double would not survive.
async fn shift(_context: Context, integers: Integers) -> Result<Value> {
    Ok(json!({"signed": integers.signed + 1, "unsigned": integers.unsigned - 1}))
}

#[derive(Deserialize)]
struct Count {
    gate: String,
    to: u64,
}

/// Counts as far as the test lets it through the gate, and tells the gate when it is dropped.
async fn count(context: Context, count: Count) -> Result<u64> {
    let _guard = Dropped(gate(&format!("{} dropped", count.gate)));
    let gate = gate(&count.gate);
    for number in 1..=count.to {
        gate.acquire().await.unwrap().forget();
        context.send(&number).await?;
    }
    Ok(count.to)
}

struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// Where a test and the function that it called meet, by a name of the test's.
pub(crate) fn gate(name: &str) -> Arc<Semaphore> {
    static GATES: Mutex<Option<HashMap<String, Arc<Semaphore>>>> = Mutex::new(None);
    let mut gates = GATES.lock().unwrap();
    let gate = gates.get_or_insert_default().entry(name.to_owned());
    gate.or_insert_with(|| Arc::new(Semaphore::new(0))).clone()
}

async fn pieces(context: Context, request: Request) -> Result<Response> {
    let gate = gate(request.uri().query().unwrap_or_default());
    Ok(stream(&context, |context| async move {
        for piece in 1..=3 {
            gate.acquire().await.unwrap().forget();
            context.send(&json!({"piece": piece})).await?;
        }
        Ok("done")
    }))
}
