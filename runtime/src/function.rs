//! The contract between the runtime and a function: its shapes, its [`Context`], the [`Registry`].
//!
//! A function is one public async function. Which shapes it may have follows from its trigger; the
//! traits below tell them apart by their arguments, so that a wrong one does not compile.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::body::Body;
use crate::callable;
use crate::context::Context;
use crate::database::Migrations;
use crate::error::{Error, ErrorCode, Result};
use crate::events::CloudEvent;
use crate::respond::json;

pub type Request = http::Request<Body>;
pub type Response = http::Response<Body>;

/// A function's code, begun.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
type HttpCall = Arc<dyn Fn(Context, Request) -> Work<Response> + Send + Sync>;
type EventCall = Arc<dyn Fn(Context, CloudEvent<Value>) -> Work<()> + Send + Sync>;

/// A function's code, by signature type.
#[derive(Clone)]
pub struct Function(pub(crate) Signature);

#[derive(Clone)]
pub(crate) enum Signature {
    Http(HttpCall),
    Event(EventCall),
}

/// What an `http` trigger can call. `Shape` is inferred: [`Raw`] or [`Json`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function for an `http` trigger",
    note = "write `pub async fn handle(context: Context, request: Request) -> Result<Response>`",
    note = "or `pub async fn handle(context: Context, input: In) -> Result<Out>` with serde types"
)]
pub trait HttpFunction<Shape>: Sized {
    fn into_function(self) -> Function;
}

/// What a `callable` trigger can call: what `httpsCallable` of the Firebase SDKs reaches. `In` is read from
/// the call's `data`, which is `null` when the client gave none; `Out` is its `result`.
///
/// The same function answers a client that asks for a stream: each [`Context::send`] is then one of its
/// messages. To any other client a `send` is nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function for a `callable` trigger",
    note = "write `pub async fn handle(context: Context, input: In) -> Result<Out>` with serde types"
)]
pub trait CallableFunction<Shape>: Sized {
    fn into_function(self) -> Function;
}

/// What a `storage` or an `event` trigger can call; `Data` is what the event carries.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function for events",
    note = "write `pub async fn handle(context: Context, event: CloudEvent<StorageObjectData>) -> Result<()>`"
)]
pub trait EventFunction<Data>: Sized {
    fn into_function(self) -> Function;
}

/// `(Context, Request) -> Result<Response>`
pub struct Raw;

/// `(Context, In) -> Result<Out>`, both JSON.
pub struct Json<In, Out>(std::marker::PhantomData<fn(In) -> Out>);

impl<F, Fut> HttpFunction<Raw> for F
where
    F: Fn(Context, Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn into_function(self) -> Function {
        Function(Signature::Http(Arc::new(move |context, request| {
            Box::pin(self(context, request))
        })))
    }
}

impl<F, Fut, In, Out> HttpFunction<Json<In, Out>> for F
where
    F: Fn(Context, In) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + 'static,
{
    fn into_function(self) -> Function {
        Function(Signature::Http(Arc::new(move |context, request| {
            let function = self.clone();
            Box::pin(async move {
                let input = read_json(request).await?;
                json(http::StatusCode::OK, &function(context, input).await?)
            })
        })))
    }
}

impl<F, Fut, In, Out> CallableFunction<Json<In, Out>> for F
where
    F: Fn(Context, In) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + 'static,
{
    fn into_function(self) -> Function {
        Function(Signature::Http(Arc::new(move |context, request| {
            Box::pin(callable::answer(context, request, self.clone()))
        })))
    }
}

impl<F, Fut, Data> EventFunction<Data> for F
where
    F: Fn(Context, CloudEvent<Data>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
    Data: DeserializeOwned + 'static,
{
    fn into_function(self) -> Function {
        Function(Signature::Event(Arc::new(
            move |context, event| match event.typed() {
                Ok(event) => Box::pin(self(context, event)),
                Err(error) => Box::pin(std::future::ready(Err(Error::new(
                    ErrorCode::InvalidArgument,
                    "The event's data is not what this function takes.",
                )
                .because(error)))),
            },
        )))
    }
}

async fn read_json<In: DeserializeOwned>(request: Request) -> Result<In> {
    if request.method() != http::Method::POST {
        return Err(Error::method_not_allowed("POST", "Use POST."));
    }
    if !is_json(request.headers()) {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            "The body must be application/json.",
        ));
    }
    let bytes = request.into_body().collect().await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(
            ErrorCode::InvalidArgument,
            "The body is not the JSON that this function takes.",
        )
        .because(error)
    })
}

/// Whether the media type is `application/json`, whatever its parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

/// Every function by its name in the manifest, and what was compiled in beside them. Generated from
/// manifest.toml by the build script of the package that holds the functions.
pub struct Registry {
    pub(crate) manifest: &'static str,
    pub(crate) migrations: Migrations,
    pub(crate) functions: BTreeMap<&'static str, Function>,
}

impl Registry {
    /// `manifest`: the text of manifest.toml.
    pub fn new(manifest: &'static str, migrations: Migrations) -> Self {
        Self {
            manifest,
            migrations,
            functions: BTreeMap::new(),
        }
    }

    /// The migrations of the functions' tables.
    pub fn migrations(&self) -> Migrations {
        self.migrations
    }

    #[must_use]
    pub fn function(mut self, name: &'static str, function: Function) -> Self {
        self.functions.insert(name, function);
        self
    }
}
