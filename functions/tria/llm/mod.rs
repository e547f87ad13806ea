//! The language model: messages in, an answer out, whole or piece by piece.
//!
//! One provider, which may be slow, busy, gone or wrong at any time; what becomes of that is decided
//! here and told as a [`Failure`]. Nothing here knows who asks, or what an answer is for.

mod events;
mod failure;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use runtime::reqwest::Response;
use runtime::{Context, Error, ErrorCode, HeaderMap, header};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

pub(crate) use failure::Failure;
pub(crate) use stream::Pieces;
pub(crate) use wire::MODEL;

use crate::tria::breaker::{Call, Outcome, SharedBreaker};
use wire::Payload;

/// The provider is the same for every call of the process.
static PROVIDER: SharedBreaker = SharedBreaker::new();

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    User,
    Assistant,
}

/// How long an answer is waited for, and how much is taken.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// All the time that the provider is given for one answer, attempts and pauses included.
    patience: Duration,
    /// How often one question is sent.
    attempts: u32,
    /// The longest pause before the second attempt; it doubles with each further one.
    backoff: Duration,
    /// Bytes of one answer, with everything around it: as much as an event can carry beside the
    /// longest question, so that every exchange can be recorded later.
    max_answer: usize,
}

const LIMITS: Limits = Limits {
    patience: Duration::from_secs(30),
    attempts: 3,
    backoff: Duration::from_millis(500),
    max_answer: 384 << 10,
};

/// A client of the provider, for one invocation.
pub(crate) struct Llm<'c> {
    context: &'c Context,
    endpoint: String,
    key: &'c str,
    breaker: &'static SharedBreaker,
    limits: Limits,
}

impl<'c> Llm<'c> {
    /// # Errors
    /// `UNAVAILABLE` without MISTRAL_API_KEY; internal, when the function's manifest entry does not list
    /// the secrets.
    pub(crate) fn of(context: &'c Context) -> runtime::Result<Self> {
        let key = context.secret("MISTRAL_API_KEY")?;
        let missing = || Error::new(ErrorCode::Unavailable, "LLM service not configured.");
        Ok(Self {
            context,
            endpoint: wire::endpoint(context.secret("MISTRAL_API_URL")?),
            key: key.ok_or_else(missing)?,
            breaker: &PROVIDER,
            limits: LIMITS,
        })
    }

    /// The whole answer, trimmed and not empty.
    pub(crate) async fn reply(&self, messages: &[Message]) -> Result<String, Failure> {
        let (call, until) = self.begin()?;
        let answer = async {
            let response = self.ask(messages, false, until).await?;
            read(response, self.limits.max_answer).await
        };
        let answer = timeout_at(until, answer).await;
        let answer = answer.unwrap_or(Err(Failure::Timeout));
        call.settle(outcome(&answer));
        answer
    }

    /// The answer piece by piece. Dropped before its end, it hangs up on the provider.
    pub(crate) async fn stream(&self, messages: &[Message]) -> Result<Pieces, Failure> {
        let (call, until) = self.begin()?;
        let asked = timeout_at(until, self.ask(messages, true, until)).await;
        match asked.unwrap_or(Err(Failure::Timeout)) {
            Ok(response) => Ok(Pieces::new(response, call, until, self.limits.max_answer)),
            Err(failure) => {
                call.settle(failure.outcome());
                Err(failure)
            }
        }
    }

    fn begin(&self) -> Result<(Call<'static>, Instant), Failure> {
        let call = self.breaker.admit().ok_or(Failure::BreakerOpen)?;
        Ok((call, Instant::now() + self.limits.patience))
    }

    /// Sends the question until it is answered with success, as often as is worth it before `until`.
    async fn ask(
        &self,
        messages: &[Message],
        stream: bool,
        until: Instant,
    ) -> Result<Response, Failure> {
        let payload = Payload::new(messages, stream);
        let mut attempt = 1;
        loop {
            let (failure, after) = match self.send(&payload, stream).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => (
                    Failure::Status(response.status().as_u16()),
                    retry_after(response.headers(), SystemTime::now()),
                ),
                Err(failure) => (failure, None),
            };
            let pause = after.unwrap_or_else(|| self.backoff(attempt));
            let left = until.saturating_duration_since(Instant::now());
            let is_last = attempt == self.limits.attempts || pause >= left;
            if is_last || !failure.is_passing() {
                return Err(failure);
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn send(&self, payload: &Payload<'_>, stream: bool) -> Result<Response, Failure> {
        let accept = match stream {
            true => "text/event-stream",
            false => "application/json",
        };
        let deadline = self.context.deadline();
        let request = self.context.http().post(&self.endpoint);
        request
            .map_err(Failure::Refused)?
            // Within that, whoever waits for the answer decides how long.
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .bearer_auth(self.key)
            .header(header::ACCEPT, accept)
            .json(payload)
            .send()
            .await
            .map_err(Failure::of)
    }

    /// Full jitter: anything up to a limit that doubles.
    fn backoff(&self, attempt: u32) -> Duration {
        let longest = self.limits.backoff.saturating_mul(1 << (attempt - 1));
        let (_, random) = Uuid::new_v4().as_u64_pair();
        longest.mul_f64(f64::from(random as u32) / f64::from(u32::MAX))
    }
}

fn outcome<T>(answer: &Result<T, Failure>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Served,
        Err(failure) => failure.outcome(),
    }
}

async fn read(response: Response, max: usize) -> Result<String, Failure> {
    wire::answer(&bounded(response, max).await?)
}

async fn bounded(mut response: Response, max: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Failure::of)? {
        if body.len() + piece.len() > max {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// How long the provider asks to be left alone: seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
