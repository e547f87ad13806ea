//! The router that is counted: the whole runtime, and functions that do next to nothing.
//!
//! With MORE_FUNCTIONS=1000 in the environment it also has `f0` to `f999`, of which every other says hello and the
//! rest take events. They exist when the manifest names them, as in any router.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use runtime::{
    CloudEvent, Context, Error, EventFunction, HttpFunction as _, Migrations, ObjectName,
    PutOptions, Registry, Request, Response, Result, StatusCode, json, typed,
};
use serde_json::Value;

/// What it is by itself.
pub(crate) const MANIFEST: &str = include_str!("subject.toml");
const HELLO: &str = "Hello from Firebase Cloud Functions (Python) by Tria & Flash!";
const FOLDER: &str = "files/user/folder0000/";
/// Events or objects that are made at once: their commits share an fsync.
const AT_ONCE: usize = 128;

pub(crate) fn registry() -> Registry {
    let migrations = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    let registry = Registry::new(MANIFEST, migrations)
        .function("hello", hello.into_function())
        .function("hello_signed_in", hello.into_function())
        .function("publish", publish.into_function())
        .function("put", put.into_function())
        .function("list", list.into_function())
        .function("receive", receive.into_function())
        .function("take", EventFunction::<Value>::into_function(take));
    #[expect(
        clippy::disallowed_methods,
        reason = "what the binary has, not how it runs"
    )]
    let more = std::env::var("MORE_FUNCTIONS").ok();
    let more: usize = more.and_then(|more| more.parse().ok()).unwrap_or_default();
    (0..more).fold(registry, |registry, number| {
        let function = match number % 2 {
            0 => hello.into_function(),
            _ => EventFunction::<Value>::into_function(take),
        };
        registry.function(format!("f{number}").leak(), function)
    })
}

async fn hello(_context: Context, _request: Request) -> Result<Response> {
    Ok(typed(StatusCode::OK, "text/html; charset=utf-8", HELLO))
}

/// Publishes as many events as the body says, the first of them with the id `0`.
async fn publish(context: Context, request: Request) -> Result<Response> {
    let publish = |number: u64| {
        let event = CloudEvent::new(
            number.to_string(),
            "//bench",
            "bench.published",
            serde_json::json!({}),
        );
        context.publish(event)
    };
    stream::iter(0..count(request).await?)
        .map(publish)
        .buffered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(typed(StatusCode::OK, "text/plain", ""))
}

/// Puts as many empty objects as the body says, a thousand into each folder.
async fn put(context: Context, request: Request) -> Result<Response> {
    let bucket = context.bucket("files")?;
    let put = |number: u64| {
        let bucket = &bucket;
        async move {
            let name = format!("files/user/folder{:04}/object{number:07}", number / 1000);
            let name = ObjectName::new(name).map_err(Error::internal)?;
            let upload = bucket.put(name, PutOptions::default()).await?;
            upload.finish().await?;
            Ok::<_, Error>(())
        }
    };
    stream::iter(0..count(request).await?)
        .map(put)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(typed(StatusCode::OK, "text/plain", ""))
}

/// The hundred objects in the middle of one folder.
async fn list(context: Context, _request: Request) -> Result<Response> {
    let bucket = context.bucket("files")?;
    let listing = bucket
        .list_folder(
            FOLDER,
            Some('/'),
            "files/user/folder0000/object0000499",
            100,
        )
        .await?;
    json(StatusCode::OK, &listing.objects.len())
}

/// Keeps a body as an object named by the query.
async fn receive(context: Context, request: Request) -> Result<Response> {
    let name = request.uri().query().unwrap_or_default().to_owned();
    let name = ObjectName::new(name).map_err(Error::internal)?;
    let bucket = context.bucket("files")?;
    let mut upload = bucket.put(name, PutOptions::default()).await?;
    let mut body = request.into_body();
    while let Some(bytes) = body.chunk().await.transpose()? {
        upload.write(bytes).await?;
    }
    json(StatusCode::OK, &upload.finish().await?.size)
}

/// The number that a body consists of.
async fn count(request: Request) -> Result<u64> {
    let body = request.into_body().collect().await?;
    serde_json::from_slice(&body).map_err(Error::internal)
}

/// With the flag `hold` it never ends, so that whatever is published stays.
async fn take(context: Context, _event: CloudEvent<Value>) -> Result<()> {
    if context.flag("hold") {
        std::future::pending::<()>().await;
    }
    Ok(())
}
