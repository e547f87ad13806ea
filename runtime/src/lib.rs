//! Cloud Functions for Firebase, in one container you own: the runtime, which knows no function.
//!
//! The modules in the order a request meets them:
//!
//! ```text
//! client ─▶ server ─▶ dispatch ─▶ edge ─▶ route ─▶ policy (identity) ─▶ invocation ─▶ function
//!   ◀──────────── response, or Error -> response; CORS, request id and a log line on both ◀──┘
//! ```
//!
//! an event, which starts where an object changes or a function publishes:
//!
//! ```text
//! storage ─▶ ledger (object + event + deliveries) ─▶ events::worker ─▶ invocation ─▶ function
//!              ▲────────── ack, retry or dead letter ──────────┘
//! ```
//!
//! and what a function reaches through its [`Context`]:
//!
//! ```text
//! context.bucket(…)  ─▶ storage ─▶ ledger     bytes on the disk; what they are, in SQLite beside them
//! context.database() ─▶ database              PostgreSQL, or SQLite
//! context.publish(…) ─▶ ledger                an event, for the functions that subscribe to its type
//! ```

mod cli;
mod config;
mod open;
mod process;
mod reload;
mod run;
mod watchdog;

mod app;
mod connection;
mod dispatch;
mod edge;
mod forwarded;
mod health;
mod hosting;
mod invocation;
mod isolation;
mod policy;
mod present;
mod route;
mod server;

mod body;
mod callable;
mod context;
mod error;
mod function;
mod identity;
mod outbound;
mod representation;
mod respond;
mod secrets;
mod stream;

mod database;
mod events;
mod ledger;
mod storage;

mod address;
mod failpoint;
mod pace;
mod telemetry;
mod tls;

#[cfg(feature = "testing")]
pub mod testing;

pub use body::Body;
pub use cli::main;
pub use context::{Context, InvocationId};
pub use database::{
    Database, DatabaseError, Migrations, Parameters, Rows, Statement, ToValue, Value,
};
pub use error::{Error, ErrorCode, Result};
pub use events::{CloudEvent, SpecVersion, StorageObjectData};
pub use function::{
    CallableFunction, EventFunction, Function, HttpFunction, Json, Raw, Registry, Request, Response,
};
pub use identity::{AuthError, Principal};
pub use outbound::Outbound;
pub use representation::Representation;
pub use respond::{json, set, typed};
pub use storage::{
    Bucket, InvalidObjectName, Listing, MetadataChange, Object, ObjectName, ObjectReader,
    Operation, PutOptions, SessionState, SessionWriter, StorageError, Upload, UploadSession,
};
pub use stream::stream;

/// The shapes of refusals.
pub use manifest::ErrorFormat;

/// The HTTP client behind [`Outbound`].
pub use reqwest;

/// The HTTP vocabulary of a function's request and response.
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
