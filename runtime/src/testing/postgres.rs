//! A private PostgreSQL server for tests: a fresh cluster on a free loopback port, gone at the end.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nix::unistd::{User, geteuid};
use uuid::Uuid;

use super::pooler::Pooler;

/// The server refuses to run as root: root starts it as this user.
const USER: &str = "postgres";
const ATTEMPTS: u32 = 5;
/// The variable with which every server that speaks without TLS stands behind a pooler.
const POOLED: &str = "TEST_BEHIND_POOLER";

/// A running server. Dropping it stops it and removes its files, also while a test panics.
///
/// Its data would not survive a power cut: fsync is off.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    settings: &'static [&'static str],
    pooler: Option<Pooler>,
}

impl Postgres {
    pub const PASSWORD: &'static str = "correct horse/battery?staple";

    /// The server that the tests of this process share while at least one of them holds it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of one's own, to stop and start.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    #[expect(
        clippy::disallowed_methods,
        reason = "it says how to test, and nothing about the product"
    )]
    pub fn start() -> Self {
        let mut server = Self::initialise(&[]);
        server.find_port_and_run();
        if std::env::var_os(POOLED).is_some() {
            server.pooler = Some(Pooler::before(&server));
        }
        server
    }

    /// A server whose URLs lead through PgBouncer in transaction mode.
    ///
    /// # Panics
    /// As [`Self::start`], and when PgBouncer is not installed.
    pub fn start_behind_a_pooler() -> Self {
        let mut server = Self::initialise(&[]);
        server.find_port_and_run();
        server.pooler = Some(Pooler::before(&server));
        server
    }

    /// A server that speaks TLS alone, with a certificate for `localhost` and 127.0.0.1 that an
    /// authority of its own signed: [`Self::certificate_authority`].
    ///
    /// # Panics
    /// As [`Self::start`], and when the openssl command is missing.
    pub fn start_with_tls() -> Self {
        let mut server = Self::initialise(&[
            "ssl=on",
            "ssl_cert_file=../server.pem",
            "ssl_key_file=../server.key",
        ]);
        server.certify();
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(server.cluster().join("pg_hba.conf"), rules).expect("access rules are written");
        server.find_port_and_run();
        server
    }

    fn initialise(settings: &'static [&'static str]) -> Self {
        let folder = std::env::temp_dir().join(format!("postgres-{}", Uuid::new_v4().simple()));
        fs::create_dir(&folder).expect("a folder for the server");
        let server = Self {
            folder,
            port: 0,
            databases: AtomicU32::new(0),
            settings,
            pooler: None,
        };
        let password = server.folder.join("password");
        fs::write(&password, Self::PASSWORD).expect("the password file is written");
        if let Some(user) = server_user() {
            let (uid, gid) = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
            chown(&server.folder, uid, gid).expect("the server's user gets its folder");
        }
        must(
            server
                .command("initdb")
                .args(["--no-sync", "--encoding=UTF8", "--locale=C"])
                .args(["--username", USER, "--auth=scram-sha-256"])
                .arg(format!("--pwfile={}", password.display()))
                .arg(server.cluster()),
        );
        server
    }

    fn find_port_and_run(&mut self) {
        // Between finding a port free and taking it, another process may take it.
        let started = (0..ATTEMPTS).any(|_| {
            self.port = free_port();
            self.try_run()
        });
        assert!(started, "PostgreSQL does not start: {}", self.log());
    }

    /// A certificate authority, and the server's certificate signed by it.
    fn certify(&self) {
        let names = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n";
        fs::write(self.folder.join("names"), names).expect("the certificate's names are written");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for step in [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"),
            format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem \
             -days 2 -extfile names"
                .to_owned(),
        ] {
            must(self.command("openssl").args(step.split_whitespace()));
        }
    }

    /// A new, empty database on this server, as a URL.
    pub fn create_database(&self) -> String {
        self.url(&self.create())
    }

    /// The same for a test that stops statements or the server: a URL that never leads through a pooler.
    pub fn create_unpooled_database(&self) -> String {
        Self::url_at(&self.create(), self.port)
    }

    /// The URL of a database on this server.
    pub fn url(&self, database: &str) -> String {
        let port = self.pooler.as_ref().map_or(self.port, Pooler::port);
        Self::url_at(database, port)
    }

    fn create(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    fn url_at(database: &str, port: u16) -> String {
        format!(
            "postgres://{USER}:correct%20horse%2Fbattery%3Fstaple@{}:{port}/{database}",
            Ipv4Addr::LOCALHOST,
        )
    }

    /// Of the server itself.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that goes with this server; the server's user may write there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate of the authority behind [`Self::start_with_tls`], in PEM.
    pub fn certificate_authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Runs a script with psql and answers what it prints, one row a line.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn sql(&self, database: &str, script: &str) -> String {
        let output = must(
            self.command("psql")
                .env("PGPASSWORD", Self::PASSWORD)
                .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
                .args(["-p", &self.port.to_string(), "-U", USER, "-d", database])
                .arg("-h")
                .arg(&self.folder)
                .args(["-c", script]),
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Stops the server without a goodbye to its clients; its data stays.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&self) {
        must(&mut self.stopping());
    }

    /// Starts the server again after [`Self::stop`], on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn run(&self) {
        assert!(self.try_run(), "PostgreSQL does not start: {}", self.log());
    }

    /// A command that runs as the server's user, in the server's folder.
    pub fn command(&self, program: &str) -> Command {
        let installed = programs().map(|folder| folder.join(program));
        let mut command = match installed.filter(|path| path.exists()) {
            Some(path) => Command::new(path),
            None => Command::new(program),
        };
        command.current_dir(&self.folder);
        if let Some(user) = server_user() {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    fn try_run(&self) -> bool {
        let mut options = format!(
            "-p {} -k {} -c listen_addresses={} -c fsync=off -c max_connections=300",
            self.port,
            self.folder.display(),
            Ipv4Addr::LOCALHOST,
        );
        for setting in self.settings {
            options.push_str(" -c ");
            options.push_str(setting);
        }
        self.command("pg_ctl")
            .args(["-s", "-w", "-t", "30", "-D"])
            .arg(self.cluster())
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-o", &options, "start"])
            .output()
            .is_ok_and(|output| output.status.success())
    }

    fn stopping(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command
            .args(["-s", "-w", "-t", "30", "-m", "immediate", "-D"])
            .arg(self.cluster())
            .arg("stop");
        command
    }

    fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A server that a test has stopped already cannot be stopped again, and that is fine.
        let _ = self.stopping().output();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn must(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The user to become, when this process is root.
fn server_user() -> Option<User> {
    geteuid()
        .is_root()
        .then(|| User::from_name(USER).ok().flatten())
        .flatten()
}

/// Where Debian keeps the programs of its newest PostgreSQL; elsewhere they are on the PATH.
fn programs() -> Option<PathBuf> {
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|version| Some(version.ok()?.path()))
        .max_by_key(|path| {
            let version = path.file_name()?.to_str()?;
            version.parse::<u32>().ok()
        })
        .map(|version| version.join("bin"))
}

/// Below the range from which the system gives ports to the sockets that ask for any: none of them comes by this
/// one while the server is stopped.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() % 10_000;
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .filter_map(|step| u16::try_from(20_000 + (first + step) % 10_000).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
