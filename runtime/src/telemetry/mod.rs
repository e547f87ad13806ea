//! What the process says of itself: `tracing` for what happens, [`access_log`] for each request,
//! [`metrics`] for all of them.
//!
//! Lines of JSON in production, text under `router dev`, both on stderr.

pub(crate) mod access_log;
pub(crate) mod metrics;
mod printable;

use std::backtrace::Backtrace;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::context::InvocationId;
use crate::error::{Chain, Error};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Text,
}

/// What is never logged, at no level: the parser of HTTP/2 warns of frames that anybody may send as fast as
/// they like, and tells what a malformed request holds.
const SILENCED: &str = "h2=off";

/// Starts the log on stderr. `level` is an `EnvFilter` such as `info` or `runtime=debug`.
pub(crate) fn start(format: Format, level: &str) {
    let filter = EnvFilter::try_new(format!("{level},{SILENCED}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{SILENCED}")));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        Format::Json => log
            .with_writer(|| printable::Stderr)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        Format::Text => log
            .with_writer(std::io::stderr)
            .compact()
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .without_time()
            .try_init(),
    };
    if started.is_ok() {
        log_panics();
    }
}

/// A panic is one line of the log, with the place it came from.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            backtrace = %backtrace,
            "panic: {}",
            panic.payload_as_str().unwrap_or("no text")
        );
    }));
}

/// A failure of a request, with the cause that the caller does not read. Each is logged once.
pub(crate) fn failed(error: &Error, function: &str, invocation: InvocationId) {
    let cause = std::error::Error::source(error).map(|cause| Chain(cause).to_string());
    let cause = cause.unwrap_or_default();
    let invocation = invocation.as_str();
    if error.status().is_server_error() {
        tracing::error!(function, invocation, cause, "{error}");
    } else {
        tracing::debug!(function, invocation, cause, "{error}");
    }
}
