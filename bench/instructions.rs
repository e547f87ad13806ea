//! How many instructions a server needs for one request: what a slow or a busy machine does not change.
//!
//! ```text
//! instructions SERVER [ARGUMENT…]
//! ```
//!
//! Runs the server twice under callgrind, asks it for /hello_world on one connection, more often the second
//! time, and divides the difference: whatever a start and an end cost is in both. Repeated, the figure moves by
//! less than one in a hundred. What the kernel does is not counted, and each request comes alone, so that the
//! worker's way to sleep and back is in it.
//!
//! ```text
//! cargo build --release -p functions -p bench
//! target/release/instructions target/release/router serve
//! target/release/instructions target/release/bare
//! ```

#[path = "guard/callgrind.rs"]
mod callgrind;

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, bail};

const FEW: u64 = 1_000;
const MANY: u64 = 5_000;
/// As a browser or a proxy of the platform sends it, without what only some of them send.
const REQUEST: &[u8] =
    b"GET /hello_world HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: instructions\r\nAccept: */*\r\n\r\n";

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let server = words.next().context("which server?")?;
    let arguments: Vec<OsString> = words.collect();
    let instructions = callgrind::slope(FEW, MANY, |requests| {
        let folder = tempfile::tempdir()?;
        // Free a moment ago; nobody else looks for one here.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut program = Command::new(&server);
        program
            .args(&arguments)
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            // The same folder: a router that is started as root gives it to the user that it becomes.
            .env("RENDER_DISK_BASE_PATH", folder.path());
        callgrind::count(&program, folder.path(), |running| {
            ask(running, address, requests)
        })
    })?;
    writeln!(std::io::stdout(), "{instructions}")?;
    Ok(())
}

fn ask(server: &mut Child, address: SocketAddr, requests: u64) -> anyhow::Result<()> {
    let mut connection = loop {
        match TcpStream::connect(address) {
            Ok(connection) => break connection,
            Err(_) if server.try_wait()?.is_none() => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(error).context("the server ended"),
        }
    };
    connection.set_nodelay(true)?;
    let mut answer = vec![0; 16 << 10];
    for _ in 0..requests {
        connection.write_all(REQUEST)?;
        let mut length = 0;
        // Every server here says hello to Tria & Flash, and nothing after it.
        while !answer[..length].ends_with(b"Flash!") {
            match connection.read(&mut answer[length..])? {
                0 => bail!("the server closed the connection"),
                read => length += read,
            }
        }
    }
    Ok(())
}
