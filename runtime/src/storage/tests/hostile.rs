use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;

use super::*;

/// A disk where links lead to a folder outside: `U1/file`, `U1/folder%2F` and the owner `link`.
fn disk_with_links() -> (Disk, tempfile::TempDir) {
    let disk = Disk::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), "secret").unwrap();
    fs::create_dir_all(disk.file("U1")).unwrap();
    symlink(outside.path().join("a"), disk.file("U1/file")).unwrap();
    symlink(outside.path(), disk.file("U1/folder%2F")).unwrap();
    symlink(outside.path(), disk.file("link")).unwrap();
    (disk, outside)
}

const THROUGH_LINKS: [&str; 3] = ["U1/file", "U1/folder/a", "link/a"];

#[tokio::test]
async fn nothing_is_read_written_or_removed_through_a_planted_link() {
    let (disk, outside) = disk_with_links();
    let bucket = disk.open().await;
    for path in THROUGH_LINKS {
        assert!(get(&bucket, path).await.is_none(), "{path}");
        assert!(bucket.delete(&name(path)).await.unwrap().is_none());
        let refused = put(&bucket, path, &"mine".into()).await;
        assert!(matches!(refused, Err(StorageError::Io(_))), "{path}");
    }
    assert_eq!(names_in(outside.path()), ["a"]);
    assert_eq!(fs::read(outside.path().join("a")).unwrap(), b"secret");
    assert!(bucket.list("", "", 10).await.unwrap().is_empty());
    disk.nothing_staged().await;
}

#[tokio::test]
async fn a_link_within_the_bucket_shows_nobody_anothers_object() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"mine".into()).await.unwrap();
    symlink(disk.file("U1"), disk.file("U2")).unwrap();
    symlink("a", disk.file("U1/b")).unwrap();
    for path in ["U2/a", "U1/b"] {
        assert!(get(&bucket, path).await.is_none(), "{path}");
    }
}

#[tokio::test]
async fn an_object_whose_file_became_a_link_is_not_served() {
    let (disk, outside) = disk_with_links();
    let bucket = disk.open().await;
    put(&bucket, "U1/a", &"public".into()).await.unwrap();
    fs::remove_file(disk.file("U1/a")).unwrap();
    symlink(outside.path().join("a"), disk.file("U1/a")).unwrap();
    assert!(get(&bucket, "U1/a").await.is_none());
}

#[tokio::test]
async fn a_pipe_in_place_of_a_file_hangs_nobody() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    fs::create_dir_all(disk.file("U1")).unwrap();
    nix::unistd::mkfifo(&disk.file("U1/pipe"), Mode::S_IRWXU).unwrap();
    assert!(get(&bucket, "U1/pipe").await.is_none());
    assert!(put(&bucket, "U1/pipe", &"mine".into()).await.is_err());
}

#[tokio::test]
async fn a_bucket_whose_root_is_a_link_is_refused_at_start() {
    let disk = Disk::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), disk.path.join("user_chunks")).unwrap();
    assert!(matches!(disk.start().await, Err(StorageError::Io(_))));
    assert!(names_in(outside.path()).is_empty());
}

#[tokio::test]
async fn names_that_climb_stay_in_their_owners_folder() {
    let disk = Disk::new();
    let bucket = disk.open().await;
    let long = format!("U1/{}", "x".repeat(400));
    let hostile = [
        "../../x",
        "U1/../../x",
        "U1/..",
        "U1/.",
        "U1/\0",
        &long,
        "U1/a\\..\\b",
    ];
    for path in hostile {
        put(&bucket, path, &Bytes::copy_from_slice(path.as_bytes()))
            .await
            .unwrap();
    }
    for path in hostile {
        assert_eq!(get(&bucket, path).await.unwrap().1, path);
    }
    let mut at_base = names_in(&disk.path);
    at_base.sort();
    assert_eq!(at_base, [".ledger", ".staging", "user_chunks"]);
    let mut owners = names_in(&disk.path.join("user_chunks"));
    owners.sort();
    assert_eq!(owners, ["%2E.", "U1"]);
}
