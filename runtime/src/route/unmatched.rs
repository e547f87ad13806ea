//! What is said of a request that no function has.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};

use super::FunctionIndex;
use crate::error::{Error, ErrorCode};

/// Why a request has no function.
#[derive(Debug)]
pub(crate) enum Unmatched {
    /// `hosted` unless the host is one of functions alone.
    NotFound { hosted: Option<Hosted> },
    /// The path is this function's, for the methods of `Allow`. Its CORS policy and error format are
    /// those of the refusal.
    Method {
        function: Option<FunctionIndex>,
        allow: Option<HeaderValue>,
    },
}

/// What may stand in for a URL that no function has.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    /// Where a rewrite leads: a file's path in the hosting folder.
    pub(crate) destination: Option<Arc<str>>,
}

impl Unmatched {
    pub(crate) const fn not_found() -> Self {
        Self::NotFound { hosted: None }
    }

    pub(crate) const fn hosted(destination: Option<Arc<str>>) -> Self {
        Self::NotFound {
            hosted: Some(Hosted { destination }),
        }
    }

    /// `functions`: those that the path has.
    pub(super) fn method(functions: &[(Option<Method>, FunctionIndex)]) -> Self {
        let mut allow: Vec<&str> = Vec::new();
        for method in functions.iter().filter_map(|(method, _)| method.as_ref()) {
            allow.push(method.as_str());
            if method == Method::GET {
                allow.push("HEAD");
            }
        }
        Self::Method {
            function: functions.first().map(|(_, function)| *function),
            allow: HeaderValue::from_str(&allow.join(", ")).ok(),
        }
    }

    pub(crate) const fn function(&self) -> Option<FunctionIndex> {
        match self {
            Self::NotFound { .. } => None,
            Self::Method { function, .. } => *function,
        }
    }
}

impl From<Unmatched> for Error {
    fn from(unmatched: Unmatched) -> Self {
        match unmatched {
            Unmatched::NotFound { .. } => {
                Self::new(ErrorCode::NotFound, "No function has this URL.")
            }
            Unmatched::Method { allow, .. } => {
                let mut error = Self::new(ErrorCode::InvalidArgument, "Method Not Allowed")
                    .with_status(StatusCode::METHOD_NOT_ALLOWED);
                error.allow = allow.map(Box::new);
                error
            }
        }
    }
}
