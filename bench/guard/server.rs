//! The [`subject`](crate::subject) as a server on a free port, and a connection to it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// The command that starts it, and where it will listen.
pub(crate) struct Server {
    pub(crate) command: Command,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// On the data and the manifest in `folder`.
    pub(crate) fn new(folder: &Path, manifest: &str) -> anyhow::Result<Self> {
        // Free a moment ago; nobody else looks for one here.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = folder.join("manifest.toml");
        std::fs::write(&file, manifest)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "--stay-root"])
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("RENDER_DISK_BASE_PATH", folder)
            .env("MANIFEST", file)
            .stdout(Stdio::null());
        Ok(Self { command, address })
    }
}

/// As a browser or a proxy of the platform sends it, without what only some of them send.
pub(crate) fn get(function: &str) -> Vec<u8> {
    get_with(function, "")
}

/// `headers`: further ones, each with the end of its line.
pub(crate) fn get_with(function: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET /{function} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nAccept: */*\r\n{headers}\r\n"
    )
    .into_bytes()
}

pub(crate) fn post(function: &str, number: u64) -> Vec<u8> {
    let number = number.to_string();
    format!(
        "POST /{function} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: {}\r\n\r\n{number}",
        number.len()
    )
    .into_bytes()
}

/// KiB of a process that are in memory.
pub(crate) fn resident(process: u32) -> anyhow::Result<i64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(line.context("no VmRSS")?.parse()?)
}

/// A connection that one request after the other is sent on.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Waits until the server listens.
    pub(crate) fn open(server: &mut Child, address: SocketAddr) -> anyhow::Result<Self> {
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(_) if server.try_wait()?.is_none() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error).context("the server ended"),
            }
        };
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::new(),
        })
    }

    /// The body of the answer, which must be a success with its length in the head.
    pub(crate) fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut end = None;
        while end.is_none_or(|end| self.answer.len() < end) {
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece)? {
                0 => bail!("the server closed the connection"),
                read => self.answer.extend_from_slice(&piece[..read]),
            }
            end = end.or(end_of(&self.answer)?);
        }
        let head = head(&self.answer).unwrap_or_default();
        Ok(&self.answer[head.len() + 4..])
    }
}

/// Where an answer ends whose head is whole.
fn end_of(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = head(answer) else {
        return Ok(None);
    };
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .context("an answer without its length")?;
    Ok(Some(head.len() + 4 + length.parse::<usize>()?))
}

fn head(answer: &[u8]) -> Option<&str> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    str::from_utf8(&answer[..end]).ok()
}
