//! The process dies at each step of an upload and of its event, one after the other.
//!
//! Up to the commit nothing may have happened, from it on everything must: the next start shows it.

use std::fmt;

use futures_util::{StreamExt as _, stream};

use crate::content::content;
use crate::effects;
use crate::server::{Server, Site, UID, objects, staged};
use crate::settings::report;

/// In the order in which an upload and its event meet them; whether the upload is committed by then.
pub(crate) const POINTS: [(&str, bool); 13] = [
    ("after-create", false),
    ("mid-write", false),
    ("before-fsync", false),
    ("after-fsync", false),
    ("after-commit", true),
    ("before-rename", true),
    ("after-rename", true),
    ("before-dir-fsync", true),
    ("after-dir-fsync", true),
    ("before-answer", true),
    ("after-lease", true),
    ("after-effect", true),
    ("after-settle", true),
];
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const NAME: &str = "a.webm";
/// Cases that run at the same time.
const AT_ONCE: usize = 6;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) point: &'static str,
    pub(crate) overwrite: bool,
    pub(crate) size: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.overwrite { "overwrite" } else { "new" };
        write!(f, "{}, {what}, {} bytes", self.point, self.size)
    }
}

#[tokio::test]
async fn a_kill_at_any_step_leaves_the_old_object_or_the_new_one_and_one_effect_each() {
    let mut cases = Vec::new();
    for (point, _) in POINTS {
        for (overwrite, smallest) in [(false, 0), (true, 1)] {
            for size in [smallest, 300 * KIB, 5 * MIB] {
                // Of nothing, nothing is written.
                if point == "mid-write" && size == 0 {
                    continue;
                }
                cases.push(Case {
                    point,
                    overwrite,
                    size,
                });
            }
        }
    }
    let count = cases.len();
    let failures: Vec<String> = stream::iter(cases)
        .map(|case| async move { run(case, None).await.err() })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |failure| failure)
        .collect()
        .await;
    report(&format!("{count} kills, {} violations", failures.len()));
    assert!(failures.is_empty(), "{failures:#?}");
}

/// One kill and what the next start makes of it, with a step of the protocol left out or none.
///
/// # Errors
/// What is not as it must be.
pub(crate) async fn run(case: Case, left_out: Option<&str>) -> Result<(), String> {
    let site = Site::new().await;
    let old = content("old", 300);
    let new = content("new", case.size);
    // The old object passes every point once.
    let strike = if case.overwrite { 2 } else { 1 };
    let armed = format!("{}:kill@{strike}", case.point);
    let mutation = left_out.unwrap_or_default();
    let mut server = site
        .start(&[("FAILPOINT", &armed), ("MUTATE", mutation)])
        .await;
    if case.overwrite {
        assert_eq!(server.upload(NAME, &old).await, Some(200), "{case}");
        effects::settled(&site.disk()).await;
    }
    let answer = server.upload(NAME, &new).await;
    server.killed_itself().await;

    let server = site.start(&[("MUTATE", mutation)]).await;
    let before = case.overwrite.then_some(old.as_slice());
    verdict(&site, &server, &case, answer, before, &new)
        .await
        .map_err(|fault| format!("{case}: {fault}"))
}

async fn verdict(
    site: &Site,
    server: &Server,
    case: &Case,
    answer: Option<u16>,
    old: Option<&[u8]>,
    new: &[u8],
) -> Result<(), String> {
    let disk = site.disk();
    let leftovers = staged(&disk);
    if !leftovers.is_empty() {
        return Err(format!("left in staging: {leftovers:?}"));
    }
    let (_, committed) = POINTS
        .iter()
        .find(|(point, _)| *point == case.point)
        .unwrap();
    // The worker may be quicker than the answer.
    let may_answer = ["after-lease", "after-effect", "after-settle"].contains(&case.point);
    if answer.is_some() && !(may_answer && answer == Some(200)) {
        return Err(format!("answered {answer:?}"));
    }
    let expected = if *committed { Some(new) } else { old };
    let reply = server.download(NAME).await;
    let found = (reply.status == 200).then_some(&*reply.body);
    if found != expected {
        let (found, expected) = (found.map(<[u8]>::len), expected.map(<[u8]>::len));
        return Err(format!(
            "{} with {found:?} bytes, not {expected:?}",
            reply.status
        ));
    }
    let files = objects(&disk);
    let path = format!("user_chunks/{UID}/{NAME}");
    if !files.iter().eq(expected.is_some().then_some(&path)) {
        return Err(format!("files: {files:?}"));
    }
    effects::settled(&disk).await;
    let versions = i64::from(old.is_some()) + i64::from(*committed);
    let effects = effects::exactly_once(&disk)?;
    if (effects.committed, effects.superseded) != (versions, 0) {
        return Err(format!("{effects:?} for {versions} versions"));
    }
    Ok(())
}
