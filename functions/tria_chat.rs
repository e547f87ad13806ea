//! The chat as the Firebase SDKs call it, in pieces for a client that asks for a stream.

use runtime::{Context, Result};
use serde::Deserialize;

use crate::tria::exchange::Asker;
use crate::tria::llm::Llm;
use crate::tria::question::Question;
use crate::tria::{Answer, Turn};

/// What a client gives.
#[derive(Debug, Deserialize)]
pub struct Said {
    text: String,
    /// Of the conversation that goes on; "new" begins one.
    #[serde(default)]
    session_id: Option<String>,
}

pub async fn handle(context: Context, said: Said) -> Result<Answer> {
    let llm = Llm::of(&context)?;
    let asker = Asker::from(context.caller()?);
    let question = Question::new(&said.text, said.session_id.as_deref())?;
    let turn = Turn::begin(&context, asker, question).await?;
    let reply = match context.is_streamed() {
        true => turn.tell(&context, &llm).await?,
        false => turn.ask(&context, &llm).await,
    };
    reply.answered()
}
