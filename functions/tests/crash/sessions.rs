//! Uploads that take several requests: what a sender was told is on the disk is there after the
//! process was killed, and after a power cut.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::content::content;
use crate::harness::{Call, Reply};
use crate::order;
use crate::server::{Server, Site, UID};
use crate::settings::report;

const BLOCK: usize = 262_144;
const NAME: &str = "a.webm";

async fn start(server: &Server) -> String {
    let url =
        format!("/v0/b/holograms-media.firebasestorage.app/o?name=user_uploads%2F{UID}%2F{NAME}");
    let reply = Call::new(server.address, "POST", &url)
        .bearer(&server.token)
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .body("{}")
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", server.log());
    let url = reply.header("x-goog-upload-url");
    url[url.find("/v0/").unwrap()..].to_owned()
}

async fn command(server: &Server, url: &str, command: &str, offset: usize, bytes: &[u8]) -> Reply {
    let reply = Call::new(server.address, "POST", url)
        .header("x-goog-upload-command", command)
        .header("x-goog-upload-offset", offset.to_string())
        .body(bytes)
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", server.log());
    reply
}

/// The bytes that the sender is told are there.
async fn received(server: &Server, url: &str) -> usize {
    let reply = command(server, url, "query", 0, &[]).await;
    let received = reply.header("x-goog-upload-size-received");
    received.parse().unwrap()
}

#[tokio::test]
async fn an_upload_goes_on_after_the_process_was_killed_between_and_in_its_requests() {
    let site = Site::new().await;
    let bytes = content("session", 5 * BLOCK + 77);
    let mut server = site.start(&[]).await;
    let url = start(&server).await;
    command(&server, &url, "upload", 0, &bytes[..2 * BLOCK]).await;
    server.kill().await;

    // The first block that it writes is its last.
    let mut server = site.start(&[("FAILPOINT", "mid-write:kill")]).await;
    assert_eq!(received(&server, &url).await, 2 * BLOCK);
    let chunk = &bytes[2 * BLOCK..4 * BLOCK];
    let head = Call::new(server.address, "POST", &url)
        .header("x-goog-upload-command", "upload")
        .header("x-goog-upload-offset", (2 * BLOCK).to_string())
        .header("content-length", chunk.len().to_string())
        .body("")
        .head();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    // Whatever becomes of it: the process is about to die.
    let _ = stream.write_all(&head).await;
    let _ = stream.write_all(chunk).await;
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    server.killed_itself().await;

    let server = site.start(&[]).await;
    let at = received(&server, &url).await;
    assert!(at >= 2 * BLOCK && at % BLOCK == 0, "{at}");
    let last = command(&server, &url, "upload, finalize", at, &bytes[at..]).await;
    assert_eq!(last.header("x-goog-upload-status"), "final");
    assert_eq!(&*server.download(NAME).await.body, bytes);
}

#[tokio::test]
async fn every_chunk_is_durable_before_it_is_acknowledged() {
    let chunks = prove(None).await.unwrap();
    assert_eq!(chunks, 4);
    report(&format!("{chunks} chunks, each in order"));
}

#[tokio::test]
async fn a_chunk_that_is_not_synced_is_noticed() {
    let fault = prove(Some("no-file-fsync")).await.unwrap_err();
    assert!(fault.contains("no fsync"), "{fault}");
}

/// Returns how many chunks were looked at.
///
/// # Errors
/// Which chunk was acknowledged too early.
async fn prove(left_out: Option<&str>) -> Result<usize, String> {
    let site = Site::new()
        .await
        .set("functions.process_chunk", "enabled", "false");
    let (site, trace) = order::traced(site);
    let server = site
        .start(&[("MUTATE", left_out.unwrap_or_default())])
        .await;
    let bytes = content("session", 6 * BLOCK + 77);
    let url = start(&server).await;
    for (at, end) in [(0, 1), (1, 3), (3, 6)] {
        let (at, end) = (at * BLOCK, end * BLOCK);
        command(&server, &url, "upload", at, &bytes[at..end]).await;
    }
    let last = &bytes[6 * BLOCK..];
    command(&server, &url, "upload, finalize", 6 * BLOCK, last).await;
    let calls = order::end(server, &trace).await;

    let rename = calls.iter().find(|call| call.is_rename()).unwrap();
    let mut chunks = 0;
    let mut before = 0;
    for answer in calls.iter().filter(|call| call.is_answer()) {
        let is_its_own = |call: &&order::Call| call.began > before && call.ended < answer.began;
        let of_chunk: Vec<_> = calls.iter().filter(is_its_own).collect();
        before = answer.began;
        let file = |call: &order::Call| rename.moves(call.path());
        let written = of_chunk.iter().rfind(|call| call.is_write() && file(call));
        let Some(written) = written else { continue };
        chunks += 1;
        let synced = of_chunk
            .iter()
            .find(|call| call.began > written.ended && call.is_sync() && file(call))
            .ok_or_else(|| format!("chunk {chunks}: no fsync of the file"))?;
        of_chunk
            .iter()
            .find(|call| call.began > synced.ended && call.is_commit())
            .ok_or_else(|| format!("chunk {chunks}: no commit"))?;
    }
    order::in_order(&calls, rename)?;
    Ok(chunks)
}
