//! What a kill cannot show: that the bytes are on the disk and not only on their way. The system calls
//! of each upload, as strace saw them, in the one order that a power cut cannot spoil:
//!
//! last write < fsync of the file < commit of the ledger < rename < fsync of the folder < answer

use std::collections::HashMap;
use std::path::Path;

use crate::content::content;
use crate::harness::eventually;
use crate::server::{Server, Site};
use crate::settings::{number, report};

const TRACED: &str =
    "trace=write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2";

#[tokio::test]
async fn every_upload_is_durable_before_it_is_acknowledged() {
    let uploads = number("CRASH_UPLOADS", 50);
    prove(uploads, None).await.unwrap();
    report(&format!("{uploads} uploads, each in order"));
}

/// # Errors
/// Which upload did what too late, or not at all.
pub(crate) async fn prove(uploads: usize, left_out: Option<&str>) -> Result<(), String> {
    // Without subscribers, every commit of the ledger is an upload's.
    let site = Site::new()
        .await
        .set("functions.process_chunk", "enabled", "false");
    let (site, trace) = traced(site);
    let server = site
        .start(&[("MUTATE", left_out.unwrap_or_default())])
        .await;
    for number in 0..uploads {
        let bytes = content(&number.to_string(), [1, 300 << 10, 1 << 20][number % 3]);
        let answer = server.upload(&format!("{number}.webm"), &bytes).await;
        assert_eq!(answer, Some(200), "{}", server.log());
    }
    let calls = end(server, &trace).await;
    let renames: Vec<_> = calls.iter().filter(|call| call.is_rename()).collect();
    if renames.len() != uploads {
        return Err(format!("{} renames for {uploads} uploads", renames.len()));
    }
    renames
        .into_iter()
        .try_for_each(|rename| in_order(&calls, rename))
}

/// The same site, and where the system calls of its next process will be.
pub(crate) fn traced(site: Site) -> (Site, String) {
    let trace = site.beside("trace").to_str().unwrap().to_owned();
    // -D: the router is the child, and strace watches it from the side.
    let site = site.under(&[
        "strace", "-D", "-f", "-y", "-q", "-s", "32", "-e", TRACED, "-o", &trace,
    ]);
    (site, trace)
}

/// Stops a process that is traced, and returns its calls.
pub(crate) async fn end(mut server: Server, trace: &str) -> Vec<Call> {
    let process = server.id().to_string();
    server.terminate().await;
    let is_end = |line: &str| line.starts_with(&process) && line.contains("+++ exited");
    let ended = async || std::fs::read_to_string(trace).unwrap().lines().any(is_end);
    eventually("strace has written everything", ended).await;
    calls(Path::new(trace))
}

/// One system call, from the line where it began to the line where it ended.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) began: usize,
    pub(crate) ended: usize,
    name: String,
    arguments: String,
}

impl Call {
    /// The path of the first argument, a descriptor: `12</disk/.staging/7f…>`.
    pub(crate) fn path(&self) -> &str {
        let path = self.arguments.split_once('<').map_or("", |(_, rest)| rest);
        path.split_once('>').map_or("", |(path, _)| path)
    }

    pub(crate) fn is_write(&self) -> bool {
        self.name.contains("write")
    }

    pub(crate) fn is_rename(&self) -> bool {
        self.name.starts_with("rename")
    }

    /// Whether this is the rename of the file at `path`: `renameat(11</disk/.staging>, "7f…", …)`
    pub(crate) fn moves(&self, path: &str) -> bool {
        let name = self.arguments.split('"').nth(1);
        let in_folder = path.strip_prefix(self.path());
        self.is_rename() && in_folder.and_then(|name| name.strip_prefix('/')) == name
    }

    pub(crate) fn is_commit(&self) -> bool {
        self.is_sync() && self.path().ends_with("ledger.sqlite3-wal")
    }

    /// The first bytes of an answer.
    pub(crate) fn is_answer(&self) -> bool {
        self.arguments.contains("\"HTTP/1.1 ")
    }

    pub(crate) fn is_sync(&self) -> bool {
        self.name == "fsync" || self.name == "fdatasync"
    }
}

pub(crate) fn in_order(calls: &[Call], rename: &Call) -> Result<(), String> {
    // renameat(11</disk/.staging>, "7f…", 12</disk/user_chunks/U1>, "0.webm")
    let quoted: Vec<_> = rename.arguments.split('"').collect();
    let [from, staged, to, name, _] = quoted[..] else {
        return Err(format!("{rename:?}"));
    };
    let folder = |text: &str| {
        let (_, rest) = text.rsplit_once('<').unwrap();
        rest.split_once('>').unwrap().0.to_owned()
    };
    let (staging, folder) = (folder(from), folder(to));
    let file = format!("{staging}/{staged}");
    let missing = |what: &str| format!("{name}: no {what}");

    let written = calls
        .iter()
        .filter(|call| call.is_write() && call.path() == file)
        .map(|call| call.ended)
        .max()
        .ok_or_else(|| missing("write"))?;
    let after = |end: usize, what: &str, fits: &dyn Fn(&Call) -> bool| {
        let found = calls.iter().filter(|call| call.began > end && fits(call));
        found
            .map(|call| call.ended)
            .min()
            .ok_or_else(|| missing(what))
    };
    let synced = after(written, "fsync of the file", &|call| {
        call.is_sync() && call.path() == file
    })?;
    let named = after(synced, "fsync of the staging folder", &|call| {
        call.is_sync() && call.path() == staging
    })?;
    let committed = after(named, "commit", &Call::is_commit)?;
    let answered = calls
        .iter()
        .filter(|call| call.began > written && call.is_answer())
        .map(|call| call.began)
        .min()
        .ok_or_else(|| missing("answer"))?;
    let placed = after(rename.ended, "fsync of the folder", &|call| {
        call.is_sync() && call.path() == folder
    })?;
    if committed < rename.began && placed < answered {
        return Ok(());
    }
    Err(format!(
        "{name}: written {written}, synced {synced}, {named}, committed {committed}, renamed \
         {}..{}, synced {placed}, answered {answered}",
        rename.began, rename.ended
    ))
}

/// The calls of all threads, in the order of the trace; those that failed are left out.
fn calls(trace: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(trace).unwrap();
    let mut calls = Vec::new();
    let mut unfinished = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (number, begun));
        } else if rest.starts_with("<... ") {
            let (began, begun) = unfinished.remove(thread).unwrap();
            let (_, result) = rest.split_once("resumed>").unwrap();
            calls.extend(call(began, number, &format!("{begun}{result}")));
        } else {
            calls.extend(call(number, number, rest));
        }
    }
    calls
}

/// `fsync(12</disk/.staging/7f…>) = 0`
fn call(began: usize, ended: usize, text: &str) -> Option<Call> {
    let (name, arguments) = text.split_once('(')?;
    let (arguments, result) = arguments.rsplit_once(" = ")?;
    let succeeded = !result.starts_with('-');
    succeeded.then(|| Call {
        began,
        ended,
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    })
}
