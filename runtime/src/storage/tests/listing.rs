use std::collections::BTreeSet;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::*;
use crate::ledger::{CommitObject, Content};

/// Objects without bytes: a list looks at none.
async fn commit(disk: &Disk, names: &[&str]) {
    let ledger = disk.ledger().await;
    let commits = names.iter().map(|name| {
        ledger.commit(CommitObject {
            bucket: "chunks".to_owned(),
            name: ObjectName::new(*name).unwrap(),
            owner: String::new(),
            content: Content {
                size: 0,
                md5: [0; 16],
                crc32c: 0,
                sha256: [0; 32],
            },
            options: PutOptions::default(),
            now: Timestamp::now(),
            staged: None,
            quota: None,
            session: None,
        })
    });
    for commit in join_all(commits).await {
        commit.unwrap();
    }
}

/// All pages of a folder, one after the other: its folders and its objects.
async fn pages(
    bucket: &Bucket,
    prefix: &str,
    delimiter: Option<char>,
    limit: usize,
) -> (Vec<String>, Vec<String>, usize) {
    let (mut prefixes, mut objects, mut count) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(String::new());
    while let Some(after) = next {
        let page = bucket.list_folder(prefix, delimiter, &after, limit).await;
        let page = page.unwrap();
        let size = page.prefixes.len() + page.objects.len();
        assert!(size == limit || (size < limit && page.next.is_none()));
        prefixes.extend(page.prefixes);
        objects.extend(page.objects.iter().map(|object| object.name.to_string()));
        next = page.next;
        count += 1;
    }
    (prefixes, objects, count)
}

/// What a reader of the rule would do with all names in hand.
fn expected(names: &[&str], prefix: &str, delimiter: Option<char>) -> (Vec<String>, Vec<String>) {
    let (mut prefixes, mut objects) = (BTreeSet::new(), BTreeSet::new());
    let shown = |name: &str| {
        let name = name.strip_prefix('/').unwrap_or(name);
        !name.is_empty() && !name.ends_with('/') && !name.starts_with('/') && !name.contains("//")
    };
    for name in names {
        let Some(rest) = name.strip_prefix(prefix) else {
            continue;
        };
        let folder = delimiter.and_then(|delimiter| {
            let (folder, _) = rest.split_once(delimiter)?;
            Some(format!("{prefix}{folder}{delimiter}"))
        });
        match folder {
            Some(folder) if shown(folder.strip_suffix('/').unwrap_or(&folder)) => {
                prefixes.insert(folder);
            }
            None if shown(name) => drop(objects.insert((*name).to_owned())),
            _ => {}
        }
    }
    (Vec::from_iter(prefixes), Vec::from_iter(objects))
}

#[tokio::test]
async fn pages_of_any_size_hold_every_folder_and_object_once_in_byte_order() {
    const NAMES: [&str; 24] = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a//b",
        "a0",
        "a-",
        "b/x",
        "b/y/z",
        "/c",
        "//d",
        "é/1",
        "é",
        "Z",
        "z\u{10ffff}/x",
        "z\u{10ffff}",
        "a/é",
        "a/b0",
        "d//",
        "e/ f",
        "%2F",
        "a/\0",
        "f/g",
    ];
    let disk = Disk::new();
    let bucket = disk.open().await;
    commit(&disk, &NAMES).await;
    for prefix in [
        "", "a", "a/", "a/b", "a/b/", "/", "é/", "z", "none/", "b/y/",
    ] {
        for delimiter in [Some('/'), Some('b'), None] {
            let wanted = expected(&NAMES, prefix, delimiter);
            for limit in [1, 2, 3, 5, 100] {
                let (prefixes, objects, _) = pages(&bucket, prefix, delimiter, limit).await;
                let found = (prefixes, objects);
                assert_eq!(found, wanted, "{prefix:?} {delimiter:?} {limit}");
            }
        }
    }
}

#[tokio::test]
async fn thousands_of_objects_come_in_full_pages_without_duplicates() {
    let names: Vec<String> = (0..2500)
        .map(|at| format!("user_uploads/U1/{at:04}.webm"))
        .chain((0..500).map(|at| format!("user_uploads/U1/folder{}/{at}", at % 7)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let disk = Disk::new();
    let bucket = disk.open().await;
    for group in names.chunks(100) {
        commit(&disk, group).await;
    }
    let (prefixes, objects, count) = pages(&bucket, "user_uploads/U1/", Some('/'), 1000).await;
    assert_eq!((prefixes.len(), count), (7, 3));
    assert_eq!(objects, names[..2500]);
}

#[tokio::test]
async fn a_list_goes_on_behind_a_name_that_no_longer_exists() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    commit(&disk, &["a", "c", "d/1", "e"]).await;
    let page = bucket.list_folder("", Some('/'), "b", 10).await.unwrap();
    assert_eq!(page.prefixes, ["d/"]);
    assert_eq!(page.objects.len(), 2);
    let page = bucket.list_folder("", Some('/'), "d/1", 10).await.unwrap();
    assert!(page.prefixes.is_empty(), "a folder is listed once");
    assert_eq!(page.objects.len(), 1);
    let page = bucket.list_folder("", Some('/'), "z", 10).await.unwrap();
    assert_eq!(page, Listing::default());
}
