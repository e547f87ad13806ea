//! `senders = { audience = "https://…", emails = ["…"] }`: who may POST events to a function's URL beside
//! the holder of EVENT_TOKEN.

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::Senders;
use crate::names;
use crate::reader::Table;

pub(super) fn read(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Senders> {
    let senders = table.table("senders", faults)?;
    senders.check_keys(&["audience", "emails"], faults);
    senders.require(
        "audience",
        "audience = \"https://events.holograms.media\"",
        faults,
    );
    senders.require(
        "emails",
        "emails = [\"push@holograms-media.iam.gserviceaccount.com\"]",
        faults,
    );
    let audience = senders.text("audience", faults);
    let emails = senders.distinct_texts("emails", faults);

    if let Some(audience) = audience.as_ref().filter(|text| !is_audience(text.value)) {
        faults
            .add(
                Code::Format,
                audience.span.clone(),
                format!("{} is not an audience", shown(audience.value)),
            )
            .help("what the sender asks Google's tokens for, without spaces: as a rule the URL that it sends to");
    }
    if let Some(value) = senders.value("emails")
        && value
            .get_ref()
            .as_array()
            .is_some_and(|array| array.is_empty())
    {
        faults
            .add(
                Code::Format,
                value.span(),
                "`emails` is empty: nobody would be a sender",
            )
            .help("list one, or remove `senders` when only the holder of EVENT_TOKEN may send");
    }
    for email in emails.iter().flatten() {
        if !names::is_email(email.value) {
            faults
                .add(
                    Code::Format,
                    email.span.clone(),
                    format!("{} is not an e-mail address", shown(email.value)),
                )
                .help(
                    "a service account's, in lower case as Google's tokens name it: \
                     `push@holograms-media.iam.gserviceaccount.com`",
                );
        }
    }
    Some(Senders {
        audience: audience?.value.to_owned(),
        emails: emails?.iter().map(|email| email.value.to_owned()).collect(),
    })
}

/// Tokens are compared byte by byte, so a blank in it is a slip.
fn is_audience(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}
