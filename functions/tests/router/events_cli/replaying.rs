//! Deliveries once more.

use super::*;
use crate::harness::{Engine, Launch, Token, eventually, on_both_databases};

on_both_databases!(a_dead_letter_is_delivered_when_it_is_replayed);

#[tokio::test]
async fn a_replayed_delivery_is_as_if_never_tried_and_one_under_way_is_left_alone() {
    let each: [(&[&str], &[&str], u64); 6] = [
        (&["e4"], &["e4-dead"], 0),
        (&["e2"], &[], 1),
        (&["--dead"], &["e4-dead"], 0),
        (&["--since", "150m"], &["e3-done", "e4-dead"], 0),
        (
            &["--since", "1d", "--function", THUMBNAILS],
            &["e1-waiting", "e3-done", "e4-dead"],
            1,
        ),
        (&["--since", "1d", "--function", "other"], &[], 0),
    ];
    for (arguments, replayed, under_way) in each {
        let router = Router::start().await;
        plant_one_of_each(&router);
        let before = deliveries(&router).await;
        let begun = Timestamp::now();
        let command = [&["replay"], arguments].concat();
        let report = json(&router.disk(), &command).await;
        let expected =
            json!({"replayed": replayed.len(), "under_way": under_way, "server_told": true});
        assert_eq!(report, expected, "{arguments:?}");

        for (id, delivery) in deliveries(&router).await {
            if !replayed.contains(&&*id) {
                assert_eq!(delivery, before[&id], "{arguments:?}");
                continue;
            }
            assert_eq!(delivery["state"], "pending", "{id}");
            assert_eq!(delivery["attempts"], 0, "{id}");
            assert_eq!(delivery["settled"], Value::Null, "{id}");
            assert_eq!(delivery["error"], before[&id]["error"], "{id}");
            for key in ["due", "since"] {
                let time: Timestamp = delivery[key].as_str().unwrap().parse().unwrap();
                let tick = SignedDuration::from_micros(1);
                assert!(
                    begun - tick <= time && time <= Timestamp::now(),
                    "{key} of {id}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_lease_that_has_passed_keeps_nobody_from_replaying() {
    let router = Router::start().await;
    plant(
        &router,
        &Planted {
            attempts: 3,
            leased: Some(-1),
            ..Planted::default()
        },
    );
    let text = table(&router.disk(), &["replay", "e1"]).await;
    assert_eq!(text, "replayed: 1\n");
    assert_eq!(deliveries(&router).await["e1"]["leased_until"], Value::Null);
}

#[tokio::test]
async fn a_replay_says_what_it_left_alone_and_what_it_cannot_do() {
    let router = Router::start().await;
    plant_one_of_each(&router);
    let disk = router.disk();
    let text = table(&disk, &["replay", "--since", "1d"]).await;
    assert_eq!(
        text,
        "replayed: 3\nleft alone, because they are under way: 1\n"
    );
    let stranger = refused(&disk, &["replay", "e1", "--function", "other"]).await;
    assert!(stranger.contains(THUMBNAILS), "{stranger}");
    for unclear in [
        &["replay"][..],
        &["replay", "e1", "--dead"],
        &["replay", ""],
        &["replay", "--json"],
        &["replay", "--function", THUMBNAILS],
    ] {
        let output = events(&disk, unclear).await;
        assert_eq!(output.status.code(), Some(2), "{unclear:?}: {output:?}");
    }
}

#[tokio::test]
async fn a_replay_without_a_server_waits_for_one() {
    let mut router = Router::start().await;
    plant(
        &router,
        &Planted {
            state: "dead",
            ..Planted::default()
        },
    );
    router.kill().await;
    let output = events(&router.disk(), &["replay", "--dead"]).await;
    assert!(output.status.success(), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("no server is running"), "{words}");
    let router = router.restart().await;
    assert_eq!(deliveries(&router).await["e1"]["state"], "pending");
}

#[tokio::test]
async fn neither_the_server_nor_a_command_fails_because_of_the_other() {
    let router = Router::start().await;
    plant_one_of_each(&router);
    let disk = router.disk();
    let token = Token::of("U1").signed();
    let uploads = async {
        for number in 0..30 {
            let name = format!("{number}.webm");
            assert_eq!(router.upload("U1", &token, &name, b"one").await.status, 200);
        }
    };
    let commands = async {
        for _ in 0..10 {
            table(&disk, &["ls"]).await;
            table(
                &disk,
                &["replay", "--since", "1d", "--function", THUMBNAILS],
            )
            .await;
        }
    };
    tokio::join!(uploads, commands);
    let done = ["ls", "--function", "process_chunk", "--state", "done"];
    eventually("every upload is processed", async || {
        ids(&json(&disk, &done).await).len() == 30
    })
    .await;
}

/// Sends one file under a manifest that tries once, into a database without the table for it.
async fn with_a_dead_letter(engine: Engine) -> (Router, String) {
    let once = "{ attempts = 1, backoff = \"1s..10m\", window = \"24h\" }";
    let launch = Launch::new().set("functions.process_chunk", "retry", once);
    let router = launch.engine(engine).start().await;
    router
        .behind_its_back("ALTER TABLE audiovisual_gestural_chunks RENAME TO lost")
        .await;
    let token = Token::of("U1").signed();
    assert_eq!(
        router.upload("U1", &token, "a.webm", b"one").await.status,
        200
    );
    let disk = router.disk();
    eventually("the delivery is given up", async || {
        ids(&json(&disk, &["dead"]).await).len() == 1
    })
    .await;
    let dead = json(&disk, &["dead"]).await;
    let id = dead[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(dead[0]["delivery"]["attempts"], 1);
    assert!(dead[0]["delivery"]["error"].is_string(), "{dead}");
    (router, id)
}

async fn settled(router: &Router, id: &str) -> Value {
    let disk = router.disk();
    eventually("the delivery is done", async || {
        json(&disk, &["show", id]).await["deliveries"][0]["state"] == "done"
    })
    .await;
    json(&disk, &["show", id]).await["deliveries"][0].clone()
}

/// Rows about the file that was sent.
async fn chunks(router: &Router) -> i64 {
    let sql = "SELECT count(*) FROM audiovisual_gestural_chunks";
    match router.database() {
        Some(database) => database
            .connect()
            .await
            .query_one(sql, &[])
            .await
            .unwrap()
            .get(0),
        None => Connection::open(router.disk().join("functions.sqlite3"))
            .and_then(|connection| connection.query_row(sql, [], |row| row.get(0)))
            .unwrap(),
    }
}

async fn a_dead_letter_is_delivered_when_it_is_replayed(engine: Engine) {
    let (router, id) = with_a_dead_letter(engine).await;
    let disk = router.disk();
    router
        .behind_its_back("ALTER TABLE lost RENAME TO audiovisual_gestural_chunks")
        .await;
    assert_eq!(chunks(&router).await, 0);

    // Nothing else wakes the server: no upload, no restart.
    assert_eq!(table(&disk, &["replay", "--dead"]).await, "replayed: 1\n");
    let first = settled(&router, &id).await;
    assert_eq!(
        (&first["attempts"], &first["error"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(chunks(&router).await, 1);
    assert!(ids(&json(&disk, &["dead"]).await).is_empty());

    // One that is done too, under the same id: what it has done already is not done twice.
    assert_eq!(
        table(&disk, &["replay", &id[..id.len() - 1]]).await,
        "replayed: 1\n"
    );
    eventually("it is done again", async || {
        let delivery = settled(&router, &id).await;
        delivery["settled"] != first["settled"]
    })
    .await;
    assert_eq!(chunks(&router).await, 1);
}
