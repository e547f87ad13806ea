//! What happened and who was told, without a change to any of it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;
use crate::harness::Token;

#[tokio::test]
async fn an_upload_is_listed_and_shown_whole() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    assert_eq!(
        router.upload("U1", &token, "a.webm", b"one").await.status,
        200
    );
    let disk = router.disk();

    let listed = json(&disk, &["ls"]).await;
    let entry = &listed[0];
    assert_eq!(
        keys(entry),
        ["delivery", "id", "recorded", "subject", "type"]
    );
    assert_eq!(entry["type"], FINALIZED);
    assert_eq!(entry["subject"], "objects/user_uploads/U1/a.webm");
    let id = entry["id"].as_str().unwrap();
    let text = table(&disk, &["ls"]).await;
    for part in [id, "finalized", "objects/user_uploads/U1/a.webm"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let shown = json(&disk, &["show", id]).await;
    assert_eq!(keys(&shown), ["deliveries", "event", "recorded"]);
    assert_eq!(shown["event"]["id"], id);
    assert_eq!(shown["event"]["data"]["size"], "3");
    let text = table(&disk, &["show", id]).await;
    assert!(text.contains("\"specversion\": \"1.0\""), "{text}");
}

#[tokio::test]
async fn a_list_is_of_what_was_asked_for_and_the_latest_first() {
    let router = Router::start().await;
    plant_one_of_each(&router);
    let disk = router.disk();
    let other = Planted {
        id: "e5-other",
        function: "other",
        ..Planted::default()
    };
    plant(&router, &other);

    let all = [
        "e5-other",
        "e4-dead",
        "e3-done",
        "e2-under-way",
        "e1-waiting",
    ];
    let cases: [(&[&str], &[&str]); 8] = [
        (&["ls"], &all),
        (&["ls", "--limit", "2"], &all[..2]),
        (&["ls", "--function", "other"], &all[..1]),
        (
            &["ls", "--state", "pending"],
            &["e5-other", "e2-under-way", "e1-waiting"],
        ),
        (&["ls", "--state", "done"], &["e3-done"]),
        (&["ls", "--since", "150m"], &all[..3]),
        (&["ls", "--since", "9999-01-01T00:00:00Z"], &[]),
        (&["dead"], &["e4-dead"]),
    ];
    for (arguments, expected) in cases {
        let listed = json(&disk, arguments).await;
        assert_eq!(ids(&listed), expected, "{arguments:?}");
    }
    let state = refused(&disk, &["ls", "--state", "lost"]).await;
    assert!(state.contains("pending, done, dead"), "{state}");
    let since = refused(&disk, &["ls", "--since", "yesterday"]).await;
    assert!(since.contains("2h"), "{since}");
}

#[tokio::test]
async fn a_delivery_is_told_with_everything_that_happened_to_it() {
    let router = Router::start().await;
    plant_one_of_each(&router);
    let found = deliveries(&router).await;
    for delivery in found.values() {
        let expected = [
            "attempts",
            "due",
            "error",
            "function",
            "leased_until",
            "settled",
            "since",
            "state",
        ];
        assert_eq!(keys(delivery), expected);
    }
    let cases = [
        (
            "e1-waiting",
            "pending",
            2,
            (true, false, false),
            json!("INTERNAL: once"),
        ),
        (
            "e2-under-way",
            "pending",
            3,
            (false, true, false),
            Value::Null,
        ),
        ("e3-done", "done", 1, (false, false, true), Value::Null),
        (
            "e4-dead",
            "dead",
            8,
            (false, false, true),
            json!("INTERNAL: boom"),
        ),
    ];
    for (id, state, attempts, times, error) in cases {
        let delivery = &found[id];
        assert_eq!(delivery["state"], state, "{id}");
        assert_eq!(delivery["attempts"], attempts, "{id}");
        assert_eq!(delivery["error"], error, "{id}");
        let set = |key: &str| delivery[key].is_string();
        assert_eq!(
            (set("due"), set("leased_until"), set("settled")),
            times,
            "{id}"
        );
    }
    let dead = table(&router.disk(), &["dead"]).await;
    assert!(
        dead.contains("e4-dead") && dead.contains("INTERNAL: boom"),
        "{dead}"
    );
    let shown = table(&router.disk(), &["show", "e2"]).await;
    assert!(shown.contains("pending, under way"), "{shown}");
}

#[tokio::test]
async fn the_beginning_of_an_id_is_enough_unless_several_begin_so() {
    let router = Router::start().await;
    let disk = router.disk();
    for id in ["ab1", "ab12", "ac"] {
        plant(
            &router,
            &Planted {
                id,
                state: "done",
                ..Planted::default()
            },
        );
    }
    for (prefix, id) in [("ac", "ac"), ("ab12", "ab12"), ("ab1", "ab1")] {
        assert_eq!(json(&disk, &["show", prefix]).await["event"]["id"], id);
    }
    for command in ["show", "replay"] {
        let several = refused(&disk, &[command, "ab"]).await;
        assert!(several.contains("ab1 and ab12"), "{several}");
        let none = refused(&disk, &[command, "b"]).await;
        assert!(
            none.contains("no event has an id that begins with \"b\""),
            "{none}"
        );
    }
    assert!(
        deliveries(&router)
            .await
            .values()
            .all(|it| it["state"] == "done")
    );
}

#[tokio::test]
async fn what_a_function_published_is_listed_by_the_whole_of_its_type() {
    let router = Router::start().await;
    let published = Planted {
        kind: "com.example.order.paid",
        subject: "",
        state: "dead",
        ..Planted::default()
    };
    plant(&router, &published);
    for command in ["ls", "dead"] {
        let listed = json(&router.disk(), &[command]).await;
        assert_eq!(listed[0]["type"], published.kind, "{command}");
        assert_eq!(listed[0]["subject"], Value::Null, "{command}");
        let text = table(&router.disk(), &[command]).await;
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[1..5], ["e1", published.kind, "-", THUMBNAILS], "{text}");
    }
}

#[tokio::test]
async fn looking_changes_no_byte_of_the_ledger() {
    let mut router = Router::start().await;
    plant_one_of_each(&router);
    let disk = router.disk();
    let content = |name: &str| std::fs::read(disk.join(name)).unwrap();
    let wal = format!("{LEDGER}-wal");
    let looks: [&[&str]; 3] = [&["ls"], &["dead"], &["show", "e1"]];

    let before = (content(LEDGER), content(&wal));
    for look in looks {
        table(&disk, look).await;
    }
    assert_eq!((content(LEDGER), content(&wal)), before);

    router.terminate().await;
    assert!(router.exit().await.success(), "{}", router.log());
    let before = content(LEDGER);
    for look in looks {
        assert!(table(&disk, look).await.contains("e"), "{look:?}");
    }
    assert_eq!(content(LEDGER), before);
}

#[tokio::test]
async fn without_a_ledger_there_is_an_error_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    for arguments in [
        &["ls"][..],
        &["dead"],
        &["show", "e1"],
        &["replay", "--dead"],
    ] {
        let text = refused(&disk, arguments).await;
        assert!(text.contains("there is no ledger in"), "{text}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_command_leaves_belongs_to_the_owner_of_the_ledger() {
    let mut router = Router::start().await;
    plant_one_of_each(&router);
    router.terminate().await;
    assert!(router.exit().await.success(), "{}", router.log());
    let disk = router.disk();
    let owner = disk.join(LEDGER).metadata().unwrap().uid();
    // SQLite removes its other files at the end of the first, and the others make them again.
    for arguments in [&["replay", "--dead"][..], &["ls"], &["show", "e1"]] {
        table(&disk, arguments).await;
        for entry in disk.join(".ledger").read_dir().unwrap() {
            let entry = entry.unwrap();
            let uid = entry.metadata().unwrap().uid();
            assert_eq!(uid, owner, "{:?} after {arguments:?}", entry.file_name());
        }
    }
    let router = router.restart().await;
    let token = Token::of("U1").signed();
    assert_eq!(
        router.upload("U1", &token, "a.webm", b"one").await.status,
        200
    );
}

#[tokio::test]
async fn root_may_do_no_more_here_than_the_owner_of_the_ledger() {
    let router = Router::start().await;
    let disk = router.disk();
    table(&disk, &["replay", "--dead"]).await;
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(disk.join(LEDGER), closed).unwrap();
    for arguments in [&["ls"][..], &["replay", "--dead"]] {
        let text = refused(&disk, arguments).await;
        assert!(text.contains("cannot open the ledger"), "{text}");
    }
}

#[tokio::test]
async fn a_name_cannot_command_the_terminal_of_whoever_looks() {
    let router = Router::start().await;
    let subject = "objects/\u{1b}[2J\u{9b}31m\nforged";
    let error = Some("INTERNAL: \u{1b}]0;title\u{7}");
    plant(
        &router,
        &Planted {
            state: "dead",
            subject,
            error,
            ..Planted::default()
        },
    );
    for arguments in [&["ls"][..], &["dead"], &["show", "e1"]] {
        let text = table(&router.disk(), arguments).await;
        let obeyed = text.chars().find(|&char| char.is_control() && char != '\n');
        assert_eq!(obeyed, None, "{text:?}");
        assert!(
            !text.lines().any(|line| line.starts_with("forged")),
            "{text}"
        );
    }
    let shown = json(&router.disk(), &["show", "e1"]).await;
    assert_eq!(shown["event"]["subject"], subject);
}
