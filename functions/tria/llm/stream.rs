//! An answer while it is being made.

use std::collections::VecDeque;
use std::time::Duration;

use runtime::header::CONTENT_TYPE;
use runtime::reqwest::Response;
use tokio::time::{Instant, timeout};

use super::events::Events;
use super::failure::Failure;
use super::{bounded, wire};
use crate::tria::breaker::{Call, Outcome};

/// The pieces of one answer, in order.
pub(crate) struct Pieces {
    /// `None` once the provider has said it all.
    response: Option<Response>,
    events: Events,
    ready: VecDeque<String>,
    whole: String,
    received: usize,
    is_finished: bool,
    /// How long the provider may still be waited for. The time that whoever reads the pieces takes is
    /// not the provider's.
    left: Duration,
    max_answer: usize,
    /// `None` once the call was judged.
    call: Option<Call<'static>>,
}

impl Pieces {
    pub(super) fn new(
        response: Response,
        call: Call<'static>,
        until: Instant,
        max_answer: usize,
    ) -> Self {
        Self {
            response: Some(response),
            events: Events::default(),
            ready: VecDeque::new(),
            whole: String::new(),
            received: 0,
            is_finished: false,
            left: until.saturating_duration_since(Instant::now()),
            max_answer,
            call: Some(call),
        }
    }

    /// The next piece, as the provider cut it; `None` at the end of a complete answer.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        let asked = Instant::now();
        let next = timeout(self.left, self.advance()).await;
        let next = next.unwrap_or(Err(Failure::Timeout));
        self.left = self.left.saturating_sub(asked.elapsed());
        let outcome = match &next {
            Ok(Some(_)) => None,
            Ok(None) => Some(Outcome::Served),
            Err(failure) => Some(failure.outcome()),
        };
        if let Some(outcome) = outcome
            && let Some(call) = self.call.take()
        {
            call.settle(outcome);
        }
        next
    }

    /// All that has come so far, trimmed.
    pub(crate) fn whole(&self) -> &str {
        self.whole.trim()
    }

    async fn advance(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                self.whole.push_str(&piece);
                return Ok(Some(piece));
            }
            if self.is_finished {
                self.response = None;
                return match self.whole() {
                    "" => Err(Failure::NoContent),
                    _ => Ok(None),
                };
            }
            self.receive().await?;
        }
    }

    /// Takes what the provider sends next.
    async fn receive(&mut self) -> Result<(), Failure> {
        let response = self.response.take_if(|response| is_whole(response));
        if let Some(response) = response {
            // It does not stream.
            let body = bounded(response, self.max_answer).await?;
            self.ready.push_back(wire::answer(&body)?);
            self.is_finished = true;
            return Ok(());
        }
        let Some(response) = &mut self.response else {
            return Err(Failure::CutOff);
        };
        match response.chunk().await.map_err(Failure::of)? {
            Some(bytes) => {
                self.received += bytes.len();
                if self.received > self.max_answer {
                    return Err(Failure::TooLarge);
                }
                self.events.push(&bytes);
            }
            None => {
                self.events.end();
                self.response = None;
            }
        }
        while let Some(data) = self.events.next() {
            let addition = wire::addition(&data)?;
            if !addition.text.is_empty() {
                self.ready.push_back(addition.text);
            }
            self.is_finished |= addition.is_last;
        }
        Ok(())
    }
}

/// Whether it says to be something else than a stream, which then is one answer or none.
fn is_whole(response: &Response) -> bool {
    let media = response.headers().get(CONTENT_TYPE);
    media.is_some_and(|media| !media.as_bytes().starts_with(b"text/event-stream"))
}
