//! PgBouncer in transaction mode, as Neon's pooled endpoint is, in front of a server of the tests.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Postgres;
use super::postgres::free_port;

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Pooler {
    process: Child,
    port: u16,
}

impl Pooler {
    /// # Panics
    /// When PgBouncer is not installed or does not start.
    pub(super) fn before(server: &Postgres) -> Self {
        let begun = Instant::now();
        loop {
            let mut pooler = Self::spawn(server);
            while TcpStream::connect(("127.0.0.1", pooler.port)).is_err() {
                if pooler.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                    break;
                }
                sleep(Duration::from_millis(5));
            }
            // Another process may have taken the port.
            if pooler.process.try_wait().is_ok_and(|ended| ended.is_none()) {
                return pooler;
            }
            assert!(begun.elapsed() < PATIENCE, "PgBouncer does not start");
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn spawn(server: &Postgres) -> Self {
        let port = free_port();
        let users = format!("\"postgres\" \"{}\"\n", Postgres::PASSWORD);
        fs::write(server.folder().join("users.txt"), users).expect("the users are written");
        // Two connections of the server for all clients of a database: consecutive statements meet different ones.
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = users.txt\npool_mode = transaction\ndefault_pool_size = 2\n\
             max_client_conn = 500\nserver_idle_timeout = 10\nserver_login_retry = 1\n",
            server.port()
        );
        let file = server.folder().join("pgbouncer.ini");
        fs::write(file, settings).expect("the settings are written");
        let process = server
            .command("pgbouncer")
            .arg("pgbouncer.ini")
            .stderr(Stdio::null())
            .spawn()
            .expect("PgBouncer is installed");
        Self { process, port }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
