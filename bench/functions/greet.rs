//! Greets whoever is signed in: the README's example.

use runtime::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub struct Greeting {
    name: String,
}

#[derive(Serialize)]
pub struct Greeted {
    hello: String,
    uid: String,
}

pub async fn handle(context: Context, greeting: Greeting) -> Result<Greeted> {
    let uid = context.caller()?.uid.clone();
    Ok(Greeted {
        hello: greeting.name,
        uid,
    })
}
