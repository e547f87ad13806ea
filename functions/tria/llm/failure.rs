//! Why the model gave no answer: a text for whoever asked, a label for whoever operates.

use runtime::reqwest;

use crate::tria::breaker::Outcome;

/// Its `Display` is what the asker reads in place of an answer: fixed texts that old clients know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("Error: LLM API request failed with status {0}.")]
    Status(u16),
    #[error("Error: LLM API request failed due to a network issue or client error.")]
    Network(#[source] reqwest::Error),
    /// No answer, or no further piece of one, in time.
    #[error("Error: LLM API request failed due to a network issue or client error.")]
    Timeout,
    /// A stream that ended before the answer did.
    #[error("Error: LLM API request failed due to a network issue or client error.")]
    CutOff,
    /// Nobody calls the provider now, because it failed too often.
    #[error("Error: LLM API request failed due to a network issue or client error.")]
    BreakerOpen,
    #[error("Error: LLM response format unexpected (no choices).")]
    NoChoices,
    #[error("Error: LLM response format unexpected (no content).")]
    NoContent,
    #[error("Error: Failed to decode LLM response.")]
    Decode,
    #[error("Error: An unexpected error occurred with the LLM service.")]
    TooLarge,
    /// The URL of the provider is none, or not in `egress`.
    #[error("Error: An unexpected error occurred with the LLM service.")]
    Refused(#[source] runtime::Error),
    /// The key of the provider cannot be sent.
    #[error("Error: An unexpected error occurred with the LLM service.")]
    Misconfigured,
}

impl Failure {
    /// Without the URL, which may hold a password.
    pub(super) fn of(error: reqwest::Error) -> Self {
        if error.is_timeout() && !error.is_connect() {
            Self::Timeout
        } else if error.is_builder() {
            Self::Misconfigured
        } else {
            Self::Network(error.without_url())
        }
    }

    /// One word for a header and a metric.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Status(429) => "status_429",
            Self::Status(300..=399) => "status_3xx",
            Self::Status(400..=499) => "status_4xx",
            Self::Status(500..=599) => "status_5xx",
            Self::Status(_) => "status_other",
            Self::Network(_) => "network",
            Self::Timeout => "timeout",
            Self::CutOff => "cut_off",
            Self::BreakerOpen => "breaker_open",
            Self::NoChoices => "no_choices",
            Self::NoContent => "no_content",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Refused(_) | Self::Misconfigured => "misconfigured",
        }
    }

    /// Whether the same request may be served a moment later. A request that may have been served
    /// already is not sent again.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 429 | 500 | 502 | 503 | 504),
            Self::Network(error) => error.is_connect(),
            _ => false,
        }
    }

    /// Who is to blame: a request that the provider was right to refuse counts as served.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Status(429 | 500..) => Outcome::Failed,
            Self::Status(_) | Self::NoContent => Outcome::Served,
            Self::BreakerOpen | Self::Refused(_) | Self::Misconfigured => Outcome::Abandoned,
            _ => Outcome::Failed,
        }
    }
}
