//! The promises of the database, on real engines.

mod contract;
mod faults;
mod groups;
mod migrating;
mod outage;
mod pooler;
mod tls;

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Database, Migrations, Settings};
use crate::testing::Postgres;

/// Tables for the tests, one text for both engines but for the type of binary columns.
const MIGRATIONS: Migrations = Migrations {
    postgres: &[
        ("0001_people.sql", PEOPLE),
        ("0002_samples.sql", include_str!("samples_postgres.sql")),
    ],
    sqlite: &[
        ("0001_people.sql", PEOPLE),
        ("0002_samples.sql", include_str!("samples_sqlite.sql")),
    ],
};

const PEOPLE: &str = "
    CREATE TABLE people (
        uid   TEXT PRIMARY KEY,
        email TEXT UNIQUE
    );
    CREATE TABLE visits (
        id  INTEGER PRIMARY KEY,
        uid TEXT NOT NULL REFERENCES people (uid)
    );
";

/// An empty database and whatever has to live as long as it does.
struct Home<K> {
    database: Database,
    _keep: K,
}

fn open(url: Option<String>, folder: &std::path::Path, migrations: Migrations) -> Database {
    let settings = Settings {
        url,
        data_dir: folder.to_owned(),
        migrations,
    };
    Database::open(settings, Handle::current()).unwrap()
}

fn on_postgres(url: String) -> Database {
    open(Some(url), std::path::Path::new("unused"), MIGRATIONS)
}

fn sqlite_home() -> Home<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    Home {
        database: open(None, folder.path(), MIGRATIONS),
        _keep: folder,
    }
}

fn postgres_home() -> Home<Arc<Postgres>> {
    let server = Postgres::shared();
    Home {
        database: on_postgres(server.create_database()),
        _keep: server,
    }
}

/// For what a pooler has no part in.
fn unpooled_home() -> Home<Arc<Postgres>> {
    let server = Postgres::shared();
    Home {
        database: on_postgres(server.create_unpooled_database()),
        _keep: server,
    }
}
