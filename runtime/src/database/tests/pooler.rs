//! Behind PgBouncer in transaction mode, as Neon's pooled endpoint is.

use std::net::TcpStream;
use std::process::{Child, Stdio};

use futures_util::future::join_all;
use tokio::task::yield_now;

use super::*;
use crate::database::{DatabaseError, Statement};

struct PgBouncer {
    process: Child,
    server: Postgres,
    port: u16,
}

impl PgBouncer {
    /// `None` when it is not installed.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn start() -> Option<Self> {
        let server = Postgres::start();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let users = format!("\"postgres\" \"{}\"\n", Postgres::PASSWORD);
        std::fs::write(server.folder().join("users.txt"), users).unwrap();
        // Two server connections for ten clients: consecutive statements meet different ones.
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = users.txt\npool_mode = transaction\ndefault_pool_size = 2\n",
            server.port()
        );
        std::fs::write(server.folder().join("pgbouncer.ini"), settings).unwrap();
        let process = server
            .command("pgbouncer")
            .arg("pgbouncer.ini")
            .stderr(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Some(Self {
                process,
                server,
                port,
            }),
            Err(missing) => {
                eprintln!("SKIPPED: PgBouncer cannot be run, poolers are not tested: {missing}");
                None
            }
        }
    }

    /// A new database, through the pooler.
    async fn create_database(&mut self) -> String {
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert_eq!(self.process.try_wait().unwrap(), None, "PgBouncer ended");
            yield_now().await;
        }
        let direct = self.server.create_database();
        direct.replace(
            &format!(":{}/", self.server.port()),
            &format!(":{}/", self.port),
        ) + "?pgbouncer=true"
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn everything_works_through_a_pooler_in_transaction_mode() {
    let Some(mut pooler) = PgBouncer::start() else {
        return;
    };
    let database = on_postgres(pooler.create_database().await);
    let write = |n: i32| {
        let database = &database;
        async move {
            let uid = format!("u{n}");
            let person = "INSERT INTO people (uid) VALUES ($1)";
            let visit = "INSERT INTO visits (id, uid) VALUES ($1, $2)";
            database
                .atomically([
                    Statement::new(person, &[&uid]),
                    Statement::new(visit, &[&n, &uid]),
                ])
                .await?;
            database
                .query_optional::<i64>("SELECT id FROM visits WHERE uid = $1", &[&uid])
                .await
        }
    };
    // The very first of them migrate, side by side.
    for (n, found) in (0..).zip(join_all((0..100).map(write)).await) {
        assert_eq!(found.unwrap(), Some(n));
    }
    let backends: Vec<i64> = database
        .query(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(backends, [2], "the pooler shares two connections");

    pooler.server.stop();
    let answer = database.ping().await;
    assert!(
        matches!(answer, Err(DatabaseError::Unavailable(_))),
        "{answer:?}"
    );
}
