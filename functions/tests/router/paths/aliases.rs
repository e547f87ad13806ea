//! Names that look alike, or are alike to some file systems, and are not the same.

use std::collections::BTreeSet;

use crate::harness::{Router, Token};
use crate::storage_v0::{escaped, media, send, upload};

/// In groups of which each member has been mistaken for the others.
const ALIKE: [&str; 38] = [
    "U1",
    "u1",
    "U1.",
    "U1 ",
    " U1",
    "U1\0",
    "U1/",
    "U1%2F",
    "U1%252F",
    "U1%2f",
    "U1\\",
    "%55\u{31}",
    "\u{ff35}1",
    "U\u{2460}",
    "U\u{b9}",
    "U1\u{200b}",
    "U1\u{feff}",
    "U1::$DATA",
    "U1~1",
    "a/b",
    "a%2Fb",
    "a%2fb",
    "a\u{2215}b",
    "é",
    "e\u{301}",
    "É",
    "ﬁ",
    "fi",
    "ß",
    "ss",
    "SS",
    "I",
    "ı",
    "İ",
    "i",
    "Å",
    "\u{212b}",
    "A\u{30a}",
];

#[tokio::test]
async fn no_two_users_share_a_folder_however_alike_their_uids_are() {
    let router = Router::start().await;
    for uid in ALIKE {
        let token = Token::of(uid).signed();
        let reply = router
            .upload(&escaped(uid), &token, "a.webm", uid.as_bytes())
            .await;
        assert_eq!(reply.status, 200, "{uid:?}: {reply:?}");
    }
    for uid in ALIKE {
        let token = Token::of(uid).signed();
        let reply = router.download(&escaped(uid), &token, "a.webm").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, uid), "{uid:?}");
        for other in ALIKE.iter().filter(|other| **other != uid) {
            let reply = router.download(&escaped(other), &token, "a.webm").await;
            assert_eq!(reply.status, 403, "{uid:?} as {other:?}");
        }
    }
    let files = router.files();
    let folders: BTreeSet<_> = files
        .iter()
        .filter_map(|file| {
            file.strip_prefix("disk/user_chunks/")?
                .strip_suffix("/a.webm")
        })
        .collect();
    assert_eq!(folders.len(), ALIKE.len(), "{files:?}");
    // Each lies beside the others: none is inside another's.
    assert!(
        folders.iter().all(|folder| !folder.contains('/')),
        "{folders:?}"
    );
}

#[tokio::test]
async fn no_two_objects_share_a_file_however_alike_their_names_are() {
    let router = Router::start().await;
    let names = ALIKE.map(|name| format!("user_uploads/U1/x{name}"));
    for name in &names {
        upload(&router, name, serde_json::json!({}), name.as_bytes()).await;
    }
    for name in &names {
        let reply = send(router.get(&media(name))).await;
        assert_eq!((reply.status, &reply.text()), (200, name), "{name:?}");
    }
}
