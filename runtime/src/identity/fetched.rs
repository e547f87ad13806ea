//! Answers of Google's servers, read up to a length.

use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

const LONGEST: usize = 256 << 10;

pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

impl Fetched {
    pub(super) async fn from(request: RequestBuilder) -> anyhow::Result<Self> {
        let mut answer = request.send().await?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            anyhow::ensure!(
                body.len() + piece.len() <= LONGEST,
                "the answer is longer than {LONGEST} bytes"
            );
            body.extend_from_slice(&piece);
        }
        Ok(Self {
            status: answer.status(),
            headers: std::mem::take(answer.headers_mut()),
            body,
        })
    }

    /// The body of an answer that is 200.
    pub(super) fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        anyhow::ensure!(self.status == StatusCode::OK, "status {}", self.status);
        Ok(serde_json::from_slice(&self.body)?)
    }
}
