//! A PostgreSQL cluster of the tests' own, which cannot outlive them.
//!
//! A shell holds it and reads commands from a pipe: when the test process ends, however it ends, the
//! pipe closes, and the shell stops the cluster and removes its folder.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// The cluster that all tests share; each takes a database of its own.
static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);

const SUPERVISOR: &str = r#"
set -eu
folder=$1 port=$2 pooler=$3
# Debian keeps the server's programs out of PATH, in a folder per version.
for binaries in /usr/lib/postgresql/*/bin; do PATH=$PATH:$binaries; done
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as='setpriv --reuid=postgres --regid=postgres --init-groups --'
fi
cd "$folder"
control() {
    $as pg_ctl -D "$folder/data" -l "$folder/log" -w -m immediate \
        -o "-p $port -h 127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=300" \
        "$1" >/dev/null 2>&1
}
trap 'control stop || true; kill $pooling 2>/dev/null || true; rm -rf "$folder"' EXIT
pooling=
if [ "$pooler" != 0 ]; then
    echo '"tests" "unused"' >users.txt
    # Two connections of the server for all clients of a database: consecutive statements meet different ones.
    cat >pgbouncer.ini <<END
[databases]
* = host=127.0.0.1 port=$port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler
unix_socket_dir =
auth_type = trust
auth_file = users.txt
pool_mode = transaction
default_pool_size = 2
max_client_conn = 500
server_idle_timeout = 10
server_login_retry = 1
END
    $as /usr/sbin/pgbouncer -q pgbouncer.ini 2>/dev/null &
    pooling=$!
fi
$as initdb -D "$folder/data" -U tests -A trust --no-sync >/dev/null
control start
echo start
while read -r action; do
    control "$action"
    echo "$action"
done
"#;

/// The variable with which every server stands behind PgBouncer in transaction mode, as Neon's do.
const POOLED: &str = "TEST_BEHIND_POOLER";

/// After this long the pooler does not start.
const PATIENCE: Duration = Duration::from_secs(40);

/// One running PostgreSQL server.
pub(crate) struct Cluster {
    port: u16,
    /// Where its clients connect: to itself or to the pooler before it.
    front: u16,
    commands: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Cluster {
    #[expect(
        clippy::zombie_processes,
        reason = "the supervisor ends after the process that would wait for it"
    )]
    #[expect(
        clippy::disallowed_methods,
        reason = "it says how to test, and nothing about the product"
    )]
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("router-postgres-")
            .tempdir()
            .expect("a folder")
            .keep();
        let port = free_port();
        let pooler = std::env::var_os(POOLED).map(|_| free_port());
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "postgres"])
            .arg(&folder)
            .args([port, pooler.unwrap_or(0)].map(|port| port.to_string()))
            // An interrupt of the tests must reach the supervisor as the end of its input only.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut cluster = Self {
            port,
            front: pooler.unwrap_or(port),
            commands: supervisor.stdin.take().expect("a pipe"),
            replies: BufReader::new(supervisor.stdout.take().expect("a pipe")),
        };
        cluster.expect_reply("start");
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, cluster.front)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the pooler does not start");
            sleep(Duration::from_millis(5));
        }
        cluster
    }

    /// Ends the server at once, connections and all.
    pub(crate) fn stop(&mut self) {
        self.command("stop");
    }

    /// Starts it again, on the same port with the same data.
    pub(crate) fn restart(&mut self) {
        self.command("start");
    }

    /// A new, empty database.
    pub(crate) async fn database(&self) -> Database {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let template = Database {
            port: self.port,
            front: self.front,
            name: "postgres".to_owned(),
        };
        let create = format!("CREATE DATABASE {name}");
        template.run(&create).await;
        Database { name, ..template }
    }

    fn command(&mut self, action: &str) {
        writeln!(self.commands, "{action}").expect("a supervisor that listens");
        self.expect_reply(action);
    }

    fn expect_reply(&mut self, action: &str) {
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("a reply");
        assert_eq!(reply.trim(), action, "PostgreSQL did not {action}");
    }
}

/// One database of a cluster.
pub(crate) struct Database {
    port: u16,
    front: u16,
    name: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        SHARED.database().await
    }

    /// Where a router connects.
    pub(crate) fn front(&self) -> u16 {
        self.front
    }

    /// The same for a router that connects there, to what leads here.
    pub(crate) fn through(mut self, front: u16) -> Self {
        self.front = front;
        self
    }

    /// Of a router.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.front)
    }

    fn url_at(&self, port: u16) -> String {
        let name = &self.name;
        format!("postgresql://tests:unused@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    pub(crate) async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url_at(self.port), NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        client
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.expect(sql);
    }
}

/// Below the range from which the system gives ports to the sockets that ask for any.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).expect("below 10000");
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .map(|step| 20_000 + (first + step) % 10_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
