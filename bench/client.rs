//! A client that costs as little as it can: the requests that wrk does not send.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, ensure};

const PIECE: usize = 1 << 20;
const HEAD_MOST: usize = 64 << 10;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// # Errors
/// When there is no whole answer.
pub(crate) fn get(address: SocketAddr, path: &str, token: Option<&str>) -> anyhow::Result<Answer> {
    let mut body = Vec::new();
    let head = head("GET", path, token, &[]);
    let status = exchange(
        address,
        &head,
        |_| Ok(()),
        |piece| body.extend_from_slice(piece),
    )?;
    Ok(Answer { status, body })
}

/// How many bytes came.
///
/// # Errors
/// When there is no whole answer, or it is no success.
pub(crate) fn download(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
) -> anyhow::Result<u64> {
    let mut length = 0;
    let head = head("GET", path, token, &[]);
    let status = exchange(
        address,
        &head,
        |_| Ok(()),
        |piece| length += piece.len() as u64,
    )?;
    ensure!(status == 200, "{path}: {status}");
    Ok(length)
}

/// # Errors
/// When there is no whole answer.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> anyhow::Result<Answer> {
    let length = format!("Content-Length: {}", body.len());
    let head = head(
        "POST",
        path,
        None,
        &["Content-Type: application/json", &length],
    );
    let mut answer = Vec::new();
    let send = |server: &mut TcpStream| server.write_all(body.as_bytes());
    let status = exchange(address, &head, send, |piece| {
        answer.extend_from_slice(piece);
    })?;
    Ok(Answer {
        status,
        body: answer,
    })
}

/// Bytes that no file system or protocol makes less of, over and over.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    pub(crate) fn new() -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let words = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        Self(words.take(PIECE / 8).flatten().collect())
    }

    /// # Errors
    /// Those of `out`.
    pub(crate) fn write(&self, mut length: u64, out: &mut impl io::Write) -> io::Result<()> {
        while length > 0 {
            let piece = length.min(PIECE as u64);
            out.write_all(&self.0[..piece as usize])?;
            length -= piece;
        }
        Ok(())
    }

    /// As the body of a PUT.
    ///
    /// # Errors
    /// When it is not taken.
    pub(crate) fn put(&self, address: SocketAddr, path: &str, length: u64) -> anyhow::Result<()> {
        let head = head("PUT", path, None, &[&format!("Content-Length: {length}")]);
        let status = exchange(address, &head, |server| self.write(length, server), |_| ())?;
        ensure!([201, 204].contains(&status), "PUT {path}: {status}");
        Ok(())
    }

    /// As the file of a form.
    ///
    /// # Errors
    /// When it is not taken.
    pub(crate) fn post_form(
        &self,
        address: SocketAddr,
        path: &str,
        token: &str,
        filename: &str,
        length: u64,
    ) -> anyhow::Result<()> {
        let before = format!(
            "--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let after = "\r\n--boundary--\r\n";
        let whole = before.len() as u64 + length + after.len() as u64;
        let fields = [
            "Content-Type: multipart/form-data; boundary=boundary",
            &format!("Content-Length: {whole}"),
        ];
        let head = head("POST", path, Some(token), &fields);
        let send = |server: &mut TcpStream| {
            server.write_all(before.as_bytes())?;
            self.write(length, server)?;
            server.write_all(after.as_bytes())
        };
        let status = exchange(address, &head, send, |_| ())?;
        ensure!(status == 200, "POST {path}: {status}");
        Ok(())
    }
}

fn head(method: &str, path: &str, token: Option<&str>, fields: &[&str]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if let Some(token) = token {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    for field in fields {
        head += field;
        head += "\r\n";
    }
    head + "\r\n"
}

/// One request on a connection of its own, and the status of its answer, of which `take` gets the body.
fn exchange(
    address: SocketAddr,
    head: &str,
    send: impl FnOnce(&mut TcpStream) -> io::Result<()>,
    mut take: impl FnMut(&[u8]),
) -> anyhow::Result<u16> {
    let mut server = TcpStream::connect(address)?;
    server.set_nodelay(true)?;
    server.write_all(head.as_bytes())?;
    send(&mut server).context("the server does not take the body")?;

    let mut buffer = vec![0; PIECE];
    let mut read = 0;
    let end = loop {
        if let Some(end) = buffer[..read]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
        {
            break end + 4;
        }
        ensure!(read < HEAD_MOST, "an endless head");
        match server.read(&mut buffer[read..])? {
            0 => anyhow::bail!("no answer"),
            more => read += more,
        }
    };
    let answer = str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
    let status = answer.split(' ').nth(1).context("no status")?.parse()?;
    let length = answer
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: u64 = match length {
        Some(length) => length.trim().parse()?,
        // It has no body.
        None if status == 204 => 0,
        None => anyhow::bail!("an answer without its length"),
    };
    take(&buffer[end..read]);
    let mut left = length.saturating_sub((read - end) as u64);
    while left > 0 {
        match server.read(&mut buffer)? {
            0 => anyhow::bail!("{left} bytes are missing"),
            more => {
                take(&buffer[..more]);
                left = left.saturating_sub(more as u64);
            }
        }
    }
    Ok(status)
}
