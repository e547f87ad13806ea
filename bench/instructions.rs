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

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

const FEW: u64 = 1_000;
const MANY: u64 = 5_000;
/// As a browser or a proxy of the platform sends it, without what only some of them send.
const REQUEST: &[u8] =
    b"GET /hello_world HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: instructions\r\nAccept: */*\r\n\r\n";

fn main() -> anyhow::Result<()> {
    let server: Vec<OsString> = std::env::args_os().skip(1).collect();
    let few = count(&server, FEW)?;
    let many = count(&server, MANY)?;
    writeln!(std::io::stdout(), "{}", (many - few) / (MANY - FEW))?;
    Ok(())
}

/// The instructions of a whole run that answers so many requests.
fn count(server: &[OsString], requests: u64) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let counted = folder.path().join("callgrind.out");
    // Free a moment ago; nobody else looks for one here.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut running = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--vgdb=no"])
        .arg(option("--callgrind-out-file=", &counted))
        .args(server)
        .env("HOST", address.ip().to_string())
        .env("PORT", address.port().to_string())
        // The same folder: a router that is started as root gives it to the user that it becomes.
        .env("RENDER_DISK_BASE_PATH", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("valgrind")?;
    let asked = ask(&mut running, address, requests);
    // As a platform ends it, so that callgrind writes down what it counted.
    let ended = Command::new("kill").arg(running.id().to_string()).status();
    running.wait()?;
    asked?;
    ensure!(ended?.success(), "the server cannot be ended");
    total(&counted)
}

fn option(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
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

/// What a profile of callgrind ends with.
fn total(profile: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(profile).context("callgrind wrote nothing")?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(line.context("callgrind counted nothing")?.trim().parse()?)
}
