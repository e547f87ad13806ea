//! The functions under test, and a server that has them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) use runtime::testing::http_client as client;
use runtime::testing::{Environment, TestServer};
use runtime::{
    Body, CloudEvent, Context, Error, ErrorCode, EventFunction, Function, HttpFunction as _,
    MetadataChange, Method, Migrations, ObjectName, PutOptions, Registry, Request, Response,
    Result, StatusCode, StorageObjectData, json,
};
use serde_json::{Value, json};

pub(crate) const MANIFEST: &str = include_str!("manifest.toml");

pub(crate) async fn server() -> TestServer {
    server_with(&Environment::default()).await
}

pub(crate) async fn server_with(environment: &Environment) -> TestServer {
    TestServer::start_with(&registry(), environment)
        .await
        .expect("the server starts")
}

pub(crate) fn registry() -> Registry {
    Registry::new(
        MANIFEST,
        Migrations {
            postgres: &[],
            sqlite: &[],
        },
    )
    .function("echo", echo.into_function())
    .function("partner", echo.into_function())
    .function("sum", sum.into_function())
    .function("crash", crash.into_function())
    .function("crash_midway", crash_midway.into_function())
    .function("sleep", sleep.into_function())
    .function("hold", sleep.into_function())
    .function("spin", spin.into_function())
    .function("read", read.into_function())
    .function("write", write.into_function())
    .function("stream", stream.into_function())
    .function("flood", flood.into_function())
    .function("guarded", echo.into_function())
    .function("refuse", refuse.into_function())
    .function("change", change.into_function())
    .function("tell_finalized", event(tell))
    .function("tell_deleted", event(tell))
    .function("tell_metadata", event(tell))
    .function("take", event(take))
    .function("limited", echo.into_function())
    .function("limited_by_address", echo.into_function())
    .function("whence", whence.into_function())
    .function("tally", tally.into_function())
}

/// What the function sees.
async fn echo(context: Context, request: Request) -> Result<Response> {
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let answer = json!({
        "method": request.method().as_str(),
        "url": request.uri().to_string(),
        "headers": headers,
        "uid": context.caller().ok().map(|caller| caller.uid.clone()),
        "route": context.route(),
        "id": context.parameter("id").ok(),
    });
    json(StatusCode::OK, &answer)
}

#[derive(serde::Deserialize)]
struct Summands {
    a: i64,
    b: i64,
}

async fn sum(_context: Context, input: Summands) -> Result<Value> {
    Ok(json!({"sum": input.a + input.b}))
}

async fn crash(_context: Context, _request: Request) -> Result<Response> {
    panic!("a secret text");
}

async fn crash_midway(_context: Context, _request: Request) -> Result<Response> {
    let pieces = futures_util::stream::unfold(0, async |piece| {
        if piece > 0 {
            // The first is on its way.
            tokio::time::sleep(Duration::from_millis(100)).await;
            panic!("no second piece");
        }
        let first = bytes::Bytes::from_static(b"piece\n");
        Some((Ok::<_, Error>(first), piece + 1))
    });
    Ok(Response::new(Body::stream(pieces)))
}

/// For the milliseconds of the query.
async fn sleep(_context: Context, request: Request) -> Result<Response> {
    tokio::time::sleep(milliseconds(&request)).await;
    json(StatusCode::OK, &"slept")
}

/// Computes for the milliseconds of the query and never yields.
async fn spin(_context: Context, request: Request) -> Result<Response> {
    let until = std::time::Instant::now() + milliseconds(&request);
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
    json(StatusCode::OK, &"spun")
}

fn milliseconds(request: &Request) -> Duration {
    let query = request.uri().query().and_then(|query| query.parse().ok());
    Duration::from_millis(query.unwrap_or(0))
}

/// How often [`read`] got as far as reading a body.
pub(crate) static READ_CALLED: AtomicUsize = AtomicUsize::new(0);

async fn read(_context: Context, request: Request) -> Result<Response> {
    READ_CALLED.fetch_add(1, Ordering::SeqCst);
    json(StatusCode::OK, &request.into_body().collect().await?.len())
}

/// How often [`write`] came to its end.
pub(crate) static WRITTEN: AtomicUsize = AtomicUsize::new(0);

async fn write(_context: Context, request: Request) -> Result<Response> {
    tokio::time::sleep(milliseconds(&request)).await;
    WRITTEN.fetch_add(1, Ordering::SeqCst);
    json(StatusCode::OK, &"written")
}

/// Ten pieces, the second after the milliseconds of the query.
async fn stream(_context: Context, request: Request) -> Result<Response> {
    let wait = milliseconds(&request);
    let pieces = futures_util::stream::unfold(0, move |piece| async move {
        if piece == 1 {
            tokio::time::sleep(wait).await;
        }
        (piece < 10).then(|| {
            (
                Ok::<_, Error>(bytes::Bytes::from_static(b"piece\n")),
                piece + 1,
            )
        })
    });
    Ok(Response::new(Body::stream(pieces)))
}

/// Runs of [`flood`] whose response is still being sent, if the query says that they count.
pub(crate) static FLOODING: AtomicUsize = AtomicUsize::new(0);

struct Flooding(usize);

impl Drop for Flooding {
    fn drop(&mut self) {
        FLOODING.fetch_sub(self.0, Ordering::SeqCst);
    }
}

/// More than any client reads.
async fn flood(_context: Context, request: Request) -> Result<Response> {
    let counts = usize::from(request.uri().query() == Some("counts"));
    FLOODING.fetch_add(counts, Ordering::SeqCst);
    let pieces = futures_util::stream::unfold(Flooding(counts), |flooding| async {
        let piece = bytes::Bytes::from_static(&[0; 65_536]);
        Some((Ok::<_, Error>(piece), flooding))
    });
    Ok(Response::new(Body::stream(pieces)))
}

async fn refuse(_context: Context, request: Request) -> Result<Response> {
    let code = match request.uri().query() {
        Some("by-hand") => return json(StatusCode::SERVICE_UNAVAILABLE, &"later"),
        Some("not-found") => ErrorCode::NotFound,
        Some("unauthenticated") => ErrorCode::Unauthenticated,
        Some("exhausted") => ErrorCode::ResourceExhausted,
        Some("unavailable") => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    };
    Err(Error::new(code, "no").because("a private cause"))
}

/// PUT, PATCH or DELETE of the object that the path names: its content, its content type.
async fn change(context: Context, request: Request) -> Result<Response> {
    let bucket = context.bucket("files")?;
    let name = ObjectName::new(request.uri().path().trim_start_matches('/'))?;
    let method = request.method().clone();
    let body = request.into_body().collect().await?;
    match method {
        Method::PUT => {
            let mut upload = bucket.put(name, PutOptions::default()).await?;
            upload.write(body).await?;
            upload.finish().await?;
        }
        Method::PATCH => {
            let change = MetadataChange {
                content_type: Some(Some("text/plain".to_owned())),
                metadata: [("k".to_owned(), Some("v".to_owned()))].into(),
                ..MetadataChange::default()
            };
            bucket.update(&name, change).await?;
        }
        _ => {
            bucket.delete(&name).await?;
        }
    }
    json(StatusCode::OK, &"done")
}

async fn whence(context: Context, _request: Request) -> Result<Response> {
    let answer = json!({"address": context.address(), "origin": context.origin()});
    json(StatusCode::OK, &answer)
}

async fn tally(context: Context, _request: Request) -> Result<Response> {
    context.count("tallies", "asked");
    json(StatusCode::OK, &"counted")
}

/// What [`tell`] was given, by the object's name.
pub(crate) static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());

#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) at: Instant,
    pub(crate) attempt: u32,
    pub(crate) event: CloudEvent<StorageObjectData>,
}

pub(crate) fn told(name: &str) -> Vec<Told> {
    let all = TOLD.lock().unwrap();
    all.iter()
        .filter(|told| told.event.data.name == name)
        .cloned()
        .collect()
}

/// Fails as the last words of the object's name say.
async fn tell(context: Context, event: CloudEvent<StorageObjectData>) -> Result<()> {
    let (name, attempt) = (event.data.name.clone(), context.attempt());
    TOLD.lock().unwrap().push(Told {
        at: Instant::now(),
        attempt,
        event,
    });
    match name.rsplit('/').next() {
        Some("fails-once") if attempt == 1 => Err(Error::new(ErrorCode::Unavailable, "not yet")),
        Some("fails-always") => Err(Error::new(ErrorCode::Internal, "never")),
        Some("fails-for-good") => Err(Error::new(ErrorCode::InvalidArgument, "no")),
        Some("panics") => panic!("at every attempt"),
        _ => Ok(()),
    }
}

pub(crate) static TAKEN: Mutex<Vec<CloudEvent<Value>>> = Mutex::new(Vec::new());

async fn take(_context: Context, event: CloudEvent<Value>) -> Result<()> {
    TAKEN.lock().unwrap().push(event);
    Ok(())
}

fn event<Data>(function: impl EventFunction<Data>) -> Function {
    function.into_function()
}
