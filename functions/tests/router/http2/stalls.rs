//! Clients that hold what they do not use. Each is given up after 10 to 30 seconds, which is how long these
//! tests take, all at once.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::http2::{
    DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, field,
    frame, get, request,
};
use crate::harness::router::download_url;
use crate::harness::{Router, Token, eventually, form};

use super::{begun_upload, others_are_served, started};

/// Longer than any client is waited for.
const FOREVER: Duration = Duration::from_secs(90);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn who_begins_and_does_not_go_on_is_cut_off_and_the_others_are_served() {
    let router = started().await;
    let settings = frame(SETTINGS, 0, 0, b"");
    let head = request("GET", "/hello_world");
    let unended = frame(HEADERS, END_STREAM, 1, &head);
    let whole = get(1, "/hello_world");
    let mut silent = JoinSet::new();
    for (what, beginning) in [
        ("nothing", vec![]),
        ("a byte", b"P".to_vec()),
        ("half a preface", PREFACE[..12].to_vec()),
        ("what could be a head of HTTP/1.1", PREFACE[..18].to_vec()),
        ("all of the preface but a byte", PREFACE[..23].to_vec()),
        ("the preface and nothing more", PREFACE.to_vec()),
        ("half a frame", [PREFACE, &settings[..5]].concat()),
        ("half a head", [PREFACE, &settings, &whole[..20]].concat()),
        (
            "a head without its end",
            [PREFACE, &settings, &unended].concat(),
        ),
    ] {
        let address = router.address;
        silent.spawn(async move {
            let mut client = Frames::connect(address).await;
            client.send(&beginning).await;
            // A byte now and then is as good as none.
            let dribbling = what == "half a head";
            while !client.seen().ended {
                if dribbling {
                    client.send([0]).await;
                }
                tokio::time::sleep(SECOND).await;
            }
            what
        });
    }
    let given_up = async { silent.join_all().await };
    let others = async {
        loop {
            others_are_served(&router).await;
            tokio::time::sleep(SECOND).await;
        }
    };
    tokio::select! {
        ended = timeout(FOREVER, given_up) => drop(ended.expect("it stays open")),
        () = others => unreachable!("it never ends"),
    }
}

/// It answers every ping and reads everything that it is sent: only its window stays closed, or opens for one
/// byte.
#[tokio::test]
async fn a_stream_that_its_client_does_not_take_is_reset_and_the_others_go_on() {
    let router = started().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", &[7; 2000]).await;
    let hello = request("GET", "/hello_world");
    let download = [
        request("GET", &download_url("U1", "a.webm")),
        field("authorization", &format!("Bearer {token}")),
    ]
    .concat();
    tokio::join!(
        assert_reset(&router, 0, &hello),
        assert_reset(&router, 1, &download),
    );
    others_are_served(&router).await;
}

/// # Panics
/// Unless all streams of a client whose windows have so many bytes are reset, and nothing else is.
async fn assert_reset(router: &Router, window: u8, request: &[u8]) {
    const STREAMS: usize = 50;
    // INITIAL_WINDOW_SIZE.
    let mut client = Frames::open_with(router.address, &[0, 4, 0, 0, 0, window]).await;
    for number in 0..STREAMS {
        let stream = 2 * u32::try_from(number).unwrap() + 1;
        let flags = END_HEADERS | END_STREAM;
        client.send(frame(HEADERS, flags, stream, request)).await;
    }
    let reset = async {
        while count_of(&client, RST_STREAM) < STREAMS {
            tokio::time::sleep(SECOND / 10).await;
        }
    };
    let reset = timeout(FOREVER, reset).await;
    reset.unwrap_or_else(|_| panic!("a window of {window}: it goes on"));
    assert_eq!(count_of(&client, HEADERS), STREAMS);
    assert_eq!(count_of(&client, DATA), STREAMS * usize::from(window));
    assert_eq!(count_of(&client, GOAWAY), 0);
}

fn count_of(client: &Frames, kind: u8) -> usize {
    client.seen().frames[usize::from(kind)]
}

/// Two bytes a second are no upload.
#[tokio::test]
async fn a_body_that_only_drips_is_given_up_and_other_streams_go_on() {
    let router = started().await;
    let mut client = Frames::open(router.address).await;
    client.send(begun_upload("U1")).await;
    client
        .send(frame(DATA, 0, 1, &form::opening("file", Some("a.webm"))))
        .await;
    let dripping = async {
        while count_of(&client, HEADERS) == 0 {
            client.send(frame(DATA, 0, 1, b"xx")).await;
            tokio::time::sleep(SECOND).await;
        }
    };
    timeout(FOREVER, dripping).await.expect("it goes on");
    router.nothing_staged().await;
    client.send(get(3, "/hello_world")).await;
    eventually("the other stream is answered", async || {
        count_of(&client, HEADERS) == 2
    })
    .await;
    assert_eq!(client.seen().goaway, None);
}
