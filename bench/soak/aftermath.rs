//! Whether everything that was promised holds when it is quiet again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use crate::client::Failure;
use crate::mix::{Clients, Kind};
use crate::objects::Object;

/// Deliveries that failed while PostgreSQL was away come again after a while.
const PATIENCE: Duration = Duration::from_secs(600);
/// Of those that failed: as many as are told of one by one.
const TOLD: usize = 10;

/// Reads every object that was acknowledged, and some of those that were deleted: what is there, and what is amiss.
pub(crate) async fn objects(clients: &Clients) -> anyhow::Result<(String, Vec<String>)> {
    let (there, gone, either) = {
        let books = clients.objects.books();
        let there: Vec<_> = books.standing.iter().chain(&books.kept).cloned().collect();
        let either: Vec<_> = books.unknown.iter().chain(&books.doomed).cloned().collect();
        (there, books.deleted.clone(), either)
    };
    let (mut amiss, mut recovered) = (Vec::new(), 0);
    for object in &there {
        if let Err(failure) = clients.look(Kind::Download, object).await {
            amiss.push(format!("acknowledged {}: {failure:?}", object.name()));
        }
    }
    for object in &either {
        match clients.look(Kind::Download, object).await {
            Ok(()) => recovered += 1,
            Err(Failure::Wrong(what)) if what.starts_with("404") => {}
            Err(failure) => amiss.push(format!("unanswered {}: {failure:?}", object.name())),
        }
    }
    for object in gone.iter().step_by(1 + gone.len() / 2_000) {
        let status = clients.download(object).await.map(|reply| reply.status);
        if status != Ok(404) {
            amiss.push(format!("deleted {}: {status:?}", object.name()));
        }
    }
    let told = format!(
        "objects: {} acknowledged and there, {} deleted, {} unanswered of which {recovered} are there and whole",
        there.len() - amiss.len().min(there.len()),
        gone.len(),
        either.len()
    );
    Ok((told, shortened(amiss)))
}

/// Counts, in PostgreSQL, what came of every event.
pub(crate) async fn effects(
    clients: &Clients,
    database: &str,
) -> anyhow::Result<(String, Vec<String>)> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    tokio::spawn(connection);
    let references = |objects: &mut dyn Iterator<Item = &Arc<Object>>| -> BTreeSet<String> {
        objects.map(|object| object.storage_ref()).collect()
    };
    let (uploads, unknown_uploads) = {
        let books = clients.objects.books();
        let acknowledged = books.standing.iter().chain(&books.kept);
        let acknowledged = acknowledged.chain(&books.deleted).chain(&books.doomed);
        (
            references(&mut { acknowledged }),
            references(&mut books.unknown.iter()),
        )
    };
    let (chats, unknown_chats): (BTreeSet<_>, BTreeSet<_>) = {
        let chats = clients.chats.lock().expect("chats");
        (
            chats.answered.iter().cloned().collect(),
            chats.unknown.iter().cloned().collect(),
        )
    };
    let begun = Instant::now();
    let (mut text, mut amiss);
    loop {
        (text, amiss) = (String::new(), Vec::new());
        for (what, sql, owed, perhaps) in [
            (
                "uploads",
                "SELECT custom_data ->> 'storage_ref', count(*) FROM tria_learning_log
                 WHERE event_type = 'chunk_metadata_processed' GROUP BY 1",
                &uploads,
                &unknown_uploads,
            ),
            (
                "chunks",
                "SELECT storage_ref, count(*) FROM audiovisual_gestural_chunks
                 JOIN chunk_generations USING (chunk_id) GROUP BY 1",
                &uploads,
                &unknown_uploads,
            ),
            (
                "chats",
                "SELECT prompt_text, count(*) FROM tria_learning_log
                 WHERE event_type = 'tria_chat_interaction' GROUP BY 1",
                &chats,
                &unknown_chats,
            ),
        ] {
            let rows = client.query(sql, &[]).await.context(sql)?;
            let found = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            let _ = writeln!(
                text,
                "{what}: {} acknowledged, {} rows",
                owed.len(),
                rows.len()
            );
            amiss.extend(compare(what, &found, owed, perhaps));
        }
        if amiss.is_empty() || begun.elapsed() > PATIENCE {
            let _ = write!(text, "complete after {} s", begun.elapsed().as_secs());
            return Ok((text, shortened(amiss)));
        }
        sleep(Duration::from_secs(2)).await;
    }
}

/// Exactly one effect of what was acknowledged, at most one of what was not, none of anything else.
fn compare(
    what: &str,
    found: &BTreeMap<String, i64>,
    owed: &BTreeSet<String>,
    perhaps: &BTreeSet<String>,
) -> Vec<String> {
    let missing = owed.iter().filter(|name| !found.contains_key(*name));
    let missing = missing.map(|name| format!("{what}: nothing of {name}"));
    let surplus = found
        .iter()
        .filter(|(name, times)| **times != 1 || !(owed.contains(*name) || perhaps.contains(*name)));
    let surplus = surplus.map(|(name, times)| format!("{what}: {times} of {name}"));
    missing.chain(surplus).collect()
}

fn shortened(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_repeated_and_invented_effects_are_told_apart_from_single_ones() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let found = BTreeMap::from([("a", 1), ("c", 2), ("d", 1), ("e", 1)]);
        let found = found
            .into_iter()
            .map(|(name, times)| (name.to_owned(), times));
        let amiss = compare(
            "x",
            &found.collect(),
            &names(&["a", "b", "c"]),
            &names(&["d"]),
        );
        assert_eq!(amiss, ["x: nothing of b", "x: 2 of c", "x: 1 of e"]);
    }
}
