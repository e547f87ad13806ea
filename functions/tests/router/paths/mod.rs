//! Names that try to reach what is not theirs, everywhere a name can be written.
//!
//! The router serves as the user it serves as in production. What lies around it is open to that user, so
//! that nothing but the router's own care keeps it as it is.

mod aliases;
mod corpus;
mod hosting;
mod links;
mod readers;
mod writers;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::harness::{Launch, Reply, Router, Token};

/// What no answer may contain.
const CANARY: &str = "the canary sings";
/// The user whose files the others want.
const VICTIM: &str = "U2";

/// A router among files that are none of its business.
struct Aviary {
    router: Router,
    before: BTreeMap<String, String>,
}

impl Aviary {
    async fn start() -> Self {
        Self::over(Launch::new()).await
    }

    async fn over(launch: Launch) -> Self {
        let router = launch.start().await;
        assert_ne!(
            user_of(&router),
            0,
            "never as root: what it must not do, it could"
        );
        let reply = router
            .upload(
                VICTIM,
                &Token::of(VICTIM).signed(),
                "secret.txt",
                CANARY.as_bytes(),
            )
            .await;
        assert_eq!(reply.status, 200);
        for folder in [
            "canary",
            "disk/canary",
            "disk/user_chunks/U1",
            "disk/user_chunks/%o",
        ] {
            open_to_all(&router.folder().join(folder), true);
        }
        for file in [
            "secret.txt",
            "canary/secret.txt",
            "disk/secret.txt",
            "disk/canary/secret.txt",
        ] {
            let file = router.folder().join(file);
            fs::write(&file, CANARY).unwrap();
            open_to_all(&file, false);
        }
        for folder in ["", "disk", "disk/user_chunks"] {
            open_to_all(&router.folder().join(folder), true);
        }
        let before = surroundings(router.folder());
        assert!(before.len() > 8, "{before:?}");
        Self { router, before }
    }

    /// # Panics
    /// When an answer shows what it must not, or comes of a failure that nobody thought of.
    #[track_caller]
    fn heard(&self, attempt: &str, reply: &Reply) {
        let body = reply.text();
        assert!(
            !body.contains(CANARY) && !body.contains("root:"),
            "{attempt}: {reply:?}"
        );
        assert!(reply.status < 500, "{attempt}: {reply:?}");
    }

    /// # Panics
    /// When something outside the bucket, or of the victim's, was written, made or removed.
    async fn is_untouched(&self) {
        let after = surroundings(self.router.folder());
        for (path, before) in &self.before {
            assert_eq!(after.get(path), Some(before), "{path}");
        }
        let new: Vec<_> = after
            .keys()
            .filter(|path| !self.before.contains_key(*path))
            .collect();
        assert!(new.is_empty(), "{new:?}");
        let token = Token::of(VICTIM).signed();
        let reply = self.router.download(VICTIM, &token, "secret.txt").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, CANARY));
    }
}

/// The id of the user that the router serves as.
fn user_of(router: &Router) -> u32 {
    fs::metadata(format!("/proc/{}", router.process()))
        .unwrap()
        .uid()
}

fn open_to_all(path: &Path, folder: bool) {
    if folder {
        fs::create_dir_all(path).unwrap();
    }
    let mode = if folder { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below `folder` but the attacker's own: what it is, what is in it, since when.
fn surroundings(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    const OWN: [&str; 3] = [
        "disk/user_chunks/U1/",
        "disk/.staging/",
        "disk/user_chunks/%o/",
    ];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().unwrap();
        if path.contains(".sqlite3") {
            continue;
        }
        if kind.is_dir() {
            let path = format!("{path}/");
            found.insert(path.clone(), "a folder".to_owned());
            if !OWN.contains(&&*path) {
                collect(&entry.path(), &path, found);
            }
        } else if kind.is_symlink() {
            found.insert(path, format!("{:?}", fs::read_link(entry.path()).unwrap()));
        } else {
            let content = fs::read(entry.path()).unwrap();
            let written = entry.metadata().unwrap().modified().unwrap();
            found.insert(path, format!("{content:?} {written:?}"));
        }
    }
}
