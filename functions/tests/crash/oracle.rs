//! What the server said and what that obliges it to: a log outside it, written before each upload and
//! after each answer, and read back for the verdict.
//!
//! Each name has one writer, so that its versions come one after the other. After a start an object is
//! the last version that was acknowledged or seen, or a later one that was sent and never answered.
//! A version that was not seen then is gone for good and must never turn up again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The log; every line is `invoke`, `ok` or `seen`, a name, and what was sent or seen.
pub(crate) struct Oracle {
    path: PathBuf,
    file: Mutex<File>,
}

/// Jepsen's four counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Acknowledged, and gone.
    pub(crate) lost: usize,
    /// Another object's, or one that was gone before.
    pub(crate) unexpected: usize,
    /// Bytes that nobody sent in this way.
    pub(crate) partial: usize,
    /// Never acknowledged, and whole.
    pub(crate) recovered: usize,
}

/// What the log says of one name.
#[derive(Debug, Default)]
struct Standing {
    /// The hash that was acknowledged or seen last.
    known: Option<String>,
    /// Whether `known` was acknowledged or seen, that is: whether it must still be there.
    sent_since: Vec<String>,
    all: Vec<String>,
}

const ABSENT: &str = "-";

impl Oracle {
    pub(crate) fn new(path: &Path) -> Self {
        let file = File::options().create_new(true).append(true).open(path);
        Self {
            path: path.to_owned(),
            file: Mutex::new(file.unwrap()),
        }
    }

    pub(crate) fn invoke(&self, name: &str, hash: &str) {
        self.append("invoke", name, hash);
    }

    /// The whole 2xx was read.
    pub(crate) fn ok(&self, name: &str, hash: &str) {
        self.append("ok", name, hash);
    }

    fn append(&self, what: &str, name: &str, hash: &str) {
        let line = format!("{what} {name} {hash}\n");
        self.file
            .lock()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
    }

    /// Judges what a start shows, each name with the hash of its bytes, and takes it down as seen.
    pub(crate) fn judge(&self, visible: &BTreeMap<String, Option<String>>) -> Counts {
        let standings = replay(&std::fs::read_to_string(&self.path).unwrap());
        let mut counts = Counts::default();
        for (name, found) in visible {
            let nothing = Standing::default();
            let standing = standings.get(name).unwrap_or(&nothing);
            let others = standings.iter().filter(|(other, _)| *other != name);
            let is_others =
                |hash: &String| others.clone().any(|(_, other)| other.all.contains(hash));
            match found {
                _ if *found == standing.known => {}
                Some(hash) if standing.sent_since.contains(hash) => counts.recovered += 1,
                Some(hash) if !standing.all.contains(hash) && !is_others(hash) => {
                    counts.partial += 1;
                }
                _ if standing.known.is_some() => counts.lost += 1,
                _ => counts.unexpected += 1,
            }
            self.append("seen", name, found.as_deref().unwrap_or(ABSENT));
        }
        counts
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.unexpected += other.unexpected;
        self.partial += other.partial;
        self.recovered += other.recovered;
    }
}

fn replay(log: &str) -> BTreeMap<String, Standing> {
    let mut standings = BTreeMap::<String, Standing>::new();
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [what, name, hash] = words[..] else {
            panic!("{line}");
        };
        let standing = standings.entry(name.to_owned()).or_default();
        match what {
            "invoke" => {
                standing.sent_since.push(hash.to_owned());
                standing.all.push(hash.to_owned());
            }
            _ => {
                standing.known = (hash != ABSENT).then(|| hash.to_owned());
                standing.sent_since.clear();
            }
        }
    }
    standings
}

#[test]
fn the_oracle_tells_the_four_cases_apart() {
    let folder = tempfile::tempdir().unwrap();
    for (found, expected) in [
        (Some("2"), [0, 0, 0, 0]),
        (Some("3"), [0, 0, 0, 1]),
        (Some("1"), [1, 0, 0, 0]),
        (None, [1, 0, 0, 0]),
        (Some("half of 3"), [0, 0, 1, 0]),
    ] {
        let oracle = Oracle::new(
            &folder
                .path()
                .join(found.unwrap_or("none").replace(' ', "-")),
        );
        for hash in ["1", "2"] {
            oracle.invoke("a", hash);
            oracle.ok("a", hash);
        }
        oracle.invoke("a", "3");
        oracle.invoke("b", "of-b");
        let visible = BTreeMap::from([("a".to_owned(), found.map(str::to_owned))]);
        let counts = oracle.judge(&visible);
        let [lost, unexpected, partial, recovered] = expected;
        let expected = Counts {
            lost,
            unexpected,
            partial,
            recovered,
        };
        assert_eq!(counts, expected, "{found:?}");
    }
}

#[test]
fn what_was_gone_once_must_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = Oracle::new(&folder.path().join("log"));
    oracle.invoke("a", "1");
    let absent = BTreeMap::from([("a".to_owned(), None)]);
    assert_eq!(oracle.judge(&absent), Counts::default());
    let back = BTreeMap::from([("a".to_owned(), Some("1".to_owned()))]);
    assert_eq!(oracle.judge(&back).unexpected, 1);
}
