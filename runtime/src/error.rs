//! The one vocabulary of failures. `respond.rs` turns one into a response, nothing else does.
//!
//! An [`Error`] keeps two audiences apart: `message` is for the caller, the source is for the log.
//! Whatever the code of a function does, a caller never reads a source.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use manifest::ErrorFormat;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::callable;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Firebase's canonical codes (the `HttpsError` codes of the callable protocol, without `ok`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl ErrorCode {
    pub const ALL: [Self; 16] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The spelling on the wire: `NOT_FOUND`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The HTTP status, as firebase-functions maps it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Cancelled => StatusCode::from_u16(499).expect("499 is in the range of statuses"),
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown | Self::Internal | Self::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Whether an event that failed this way is worth another attempt.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Cancelled
            | Self::Unknown
            | Self::DeadlineExceeded
            | Self::ResourceExhausted
            | Self::Aborted
            | Self::Internal
            | Self::Unavailable => true,
            Self::InvalidArgument
            | Self::NotFound
            | Self::AlreadyExists
            | Self::PermissionDenied
            | Self::FailedPrecondition
            | Self::OutOfRange
            | Self::Unimplemented
            | Self::DataLoss
            | Self::Unauthenticated => false,
        }
    }
}

/// Why an invocation failed: a code, a text for the caller and, for the log alone, a cause.
#[derive(Debug)]
pub struct Error {
    code: ErrorCode,
    status: Option<StatusCode>,
    message: Cow<'static, str>,
    pub(crate) allow: Option<Box<HeaderValue>>,
    details: Option<Box<Value>>,
    pub(crate) format: Option<ErrorFormat>,
    pub(crate) retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `message` is what the caller reads.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: None,
            message: message.into(),
            allow: None,
            details: None,
            format: None,
            retry_after: None,
            source: None,
        }
    }

    /// A failure that is nobody's business: the caller reads `INTERNAL`, the log reads `source`.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "INTERNAL").because(source)
    }

    /// 405, with the `Allow` header that HTTP demands (RFC 9110 §15.5.6).
    pub fn method_not_allowed(allow: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorCode::InvalidArgument, message)
            .with_status(StatusCode::METHOD_NOT_ALLOWED);
        error.allow = Some(Box::new(HeaderValue::from_static(allow)));
        error
    }

    /// The body is longer than the function's `max_body`.
    pub(crate) fn too_large() -> Self {
        Self::new(ErrorCode::InvalidArgument, "The request body is too large.")
            .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Adds what a program of the caller's reads beside the text: the `details` of the SDKs'
    /// `FunctionsError`. Of the shapes that `error_format` names, only Firebase's has a place for them. What
    /// cannot be JSON (a map with keys that are not strings) is left out.
    #[must_use]
    pub fn with_details(mut self, details: impl Serialize) -> Self {
        self.details = callable::encode(&details).ok().map(Box::new);
        self
    }

    /// Adds the cause that the log shows.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An HTTP status that the code's own does not say: 413, 415, 507.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The shape of the response, for a protocol that another than the function's `error_format`
    /// belongs to.
    #[must_use]
    pub fn in_format(mut self, format: ErrorFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// How long the caller should wait, told as `Retry-After` in whole seconds, rounded up. Without it a
    /// 429 and a 503 say 5 s.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub(crate) fn details(&self) -> Option<&Value> {
        self.details.as_deref()
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.code.status())
    }
}

/// An [`Error`] that travels between two processes. Its cause becomes a text.
#[derive(Serialize, Deserialize)]
pub(crate) struct ErrorParts {
    code: String,
    status: Option<u16>,
    message: String,
    allow: Option<String>,
    details: Option<Value>,
    format: Option<String>,
    retry_after: Option<Duration>,
    cause: Option<String>,
}

impl From<Error> for ErrorParts {
    fn from(error: Error) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| Chain(cause).to_string());
        let allow = error.allow.as_deref();
        Self {
            code: error.code.as_str().to_owned(),
            status: error.status.map(|status| status.as_u16()),
            allow: allow.and_then(|allow| allow.to_str().ok().map(str::to_owned)),
            details: error.details.map(|details| *details),
            format: error.format.map(|format| format!("{format:?}")),
            retry_after: error.retry_after,
            message: error.message.into_owned(),
            cause,
        }
    }
}

impl From<ErrorParts> for Error {
    fn from(parts: ErrorParts) -> Self {
        const FORMATS: [ErrorFormat; 5] = [
            ErrorFormat::Firebase,
            ErrorFormat::Google,
            ErrorFormat::Detail,
            ErrorFormat::Message,
            ErrorFormat::Error,
        ];
        let mut codes = ErrorCode::ALL.into_iter();
        let code = codes.find(|code| code.as_str() == parts.code);
        let mut formats = FORMATS.into_iter();
        let format = |name: String| formats.find(|format| format!("{format:?}") == name);
        let allow = parts.allow.and_then(|allow| allow.parse().ok());
        Self {
            code: code.unwrap_or(ErrorCode::Internal),
            status: parts
                .status
                .and_then(|status| StatusCode::from_u16(status).ok()),
            message: parts.message.into(),
            allow: allow.map(Box::new),
            details: parts.details.map(Box::new),
            format: parts.format.and_then(format),
            retry_after: parts.retry_after,
            source: parts.cause.map(Into::into),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// An error with its causes, on one line, for the log.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
