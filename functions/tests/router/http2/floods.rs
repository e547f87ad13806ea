//! Floods of frames, each of which costs its sender little.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::Router;
use crate::harness::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, Frames, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    Seen, WINDOW_UPDATE, field, frame, get, request, text,
};

use super::{begun_upload, others_are_served, started};

/// What the memory of a router may grow by, in KiB.
const GROWTH: usize = 64 << 10;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Floods a router, while somebody else uses it, and looks at what became of the flood.
///
/// # Panics
/// When the others are not served, or the memory grows.
async fn flooded(router: &Router, flood: impl Iterator<Item = Vec<u8>>) -> Seen {
    others_are_served(router).await;
    let before = router.memory("VmRSS");
    let mut attacker = Frames::open(router.address).await;
    let attack = async {
        attacker.flood(flood).await;
        attacker.settled().await
    };
    let others = async {
        loop {
            others_are_served(router).await;
        }
    };
    let seen = tokio::select! {
        seen = attack => seen,
        () = others => unreachable!("it never ends"),
    };
    others_are_served(router).await;
    let peak = router.memory("VmHWM");
    assert!(peak < before + GROWTH, "{before} KiB, then {peak} KiB");
    seen
}

/// # Panics
/// Unless the server said that this is too much, and hung up.
fn assert_sent_away(seen: &Seen) {
    assert_eq!(seen.goaway, Some(ENHANCE_YOUR_CALM), "{seen:?}");
}

/// The numbers of a client's streams.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

fn opened(stream: u32, method: &str, target: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request(method, target))
}

/// CVE-2023-44487.
#[tokio::test]
async fn who_opens_streams_only_to_reset_them_is_sent_away() {
    let router = started().await;
    let cancel = 8_u32.to_be_bytes();
    let flood = streams(20_000).map(|stream| {
        let reset = frame(RST_STREAM, 0, stream, &cancel);
        [get(stream, "/hello_world"), reset].concat()
    });
    assert_sent_away(&flooded(&router, flood).await);
}

/// CVE-2025-8671: the resets are the server's own.
#[tokio::test]
async fn who_makes_the_server_reset_its_streams_is_sent_away() {
    let router = started().await;
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let flood = streams(5_000).map(|stream| {
        let overflow = frame(WINDOW_UPDATE, 0, stream, &most);
        [opened(stream, "POST", "/hello_world"), overflow].concat()
    });
    assert_sent_away(&flooded(&router, flood).await);
}

/// CVE-2024-27316.
#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let router = started().await;
    let more = (0..5_000).map(|number| {
        let field = field(&format!("x-{number}"), "y");
        frame(CONTINUATION, 0, 1, &field)
    });
    let begun = frame(HEADERS, 0, 1, &request("GET", "/hello_world"));
    assert_sent_away(&flooded(&router, std::iter::once(begun).chain(more)).await);
}

#[tokio::test]
async fn pieces_of_a_body_with_nothing_in_them_are_cut_off() {
    let router = started().await;
    let begun = begun_upload("U1");
    let flood = std::iter::once(begun).chain((0..20_000).map(|_| frame(DATA, 0, 1, b"")));
    assert_sent_away(&flooded(&router, flood).await);
    router.nothing_staged().await;
}

/// One field of 4,000 bytes is written once and then meant by a byte each time.
#[tokio::test]
async fn a_head_that_unpacks_to_much_more_is_not_unpacked() {
    let router = started().await;
    let stored = [vec![0x40], text("x-bomb"), text(&"x".repeat(4_000))].concat();
    let first = [request("GET", "/hello_world"), stored].concat();
    let bomb = [request("GET", "/hello_world"), vec![0xbe; 16_000]].concat();
    let flood = streams(200).map(|stream| {
        let fields = if stream == 1 { &first } else { &bomb };
        frame(HEADERS, END_HEADERS | 1, stream, fields)
    });
    let seen = flooded(&router, flood).await;
    assert!(seen.goaway.is_some(), "{seen:?}");
}

/// Each is to be answered (RFC 9113 §6.5.3, §6.7), and costs as much as it.
#[tokio::test]
async fn settings_and_pings_without_end_are_answered_and_keep_nobody_else_waiting() {
    const MANY: usize = 20_000;
    let router = started().await;
    let setting = [0, 4, 0, 1, 0, 0];
    let settings = (0..MANY).map(|_| frame(SETTINGS, 0, 0, &setting));
    let seen = flooded(&router, settings).await;
    assert_eq!(seen.settings_acks, MANY + 1, "{seen:?}");

    let pings = (0..MANY).map(|_| frame(PING, 0, 0, b"question"));
    let seen = flooded(&router, pings).await;
    assert_eq!(seen.pongs, MANY, "{seen:?}");

    // Answers to nothing are passed over, and are no line of the log.
    let answers = (0..MANY).map(|_| frame(PING, ACK, 0, b"anything"));
    assert_eq!(flooded(&router, answers).await.goaway, None);
    assert!(!router.log().contains("PING"), "{}", router.log());
}

/// A server that keeps its answers for whoever does not read them needs memory for each.
#[tokio::test]
async fn who_asks_without_reading_is_not_listened_to_any_more() {
    let router = started().await;
    others_are_served(&router).await;
    let before = router.memory("VmRSS");
    let mut deaf = TcpStream::connect(router.address).await.unwrap();
    deaf.write_all(PREFACE).await.unwrap();
    deaf.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
    let pings = frame(PING, 0, 0, b"question").repeat(4_000);
    let mut sent = 0;
    // Until nothing is taken for a while.
    while let Ok(Ok(())) = timeout(Duration::from_secs(2), deaf.write_all(&pings)).await {
        sent += pings.len();
        assert!(sent < 1 << 30, "it is listened to for ever");
    }
    others_are_served(&router).await;
    let peak = router.memory("VmHWM");
    assert!(peak < before + GROWTH, "{before} KiB, then {peak} KiB");
}
