//! The functions' tables, on both engines.

mod adopting;
mod chunks;
mod users;

use std::path::Path;
use std::sync::Arc;

use runtime::testing::DatabaseSettings;
use runtime::testing::Postgres;
use runtime::{Database, Statement};
use tokio::runtime::Handle;

fn open(url: Option<String>, folder: &Path) -> Database {
    let settings = DatabaseSettings {
        url,
        data_dir: folder.to_owned(),
        migrations: crate::registry().migrations(),
    };
    Database::open(settings, Handle::current()).unwrap()
}

/// Both engines, empty, and what has to live as long as they do.
struct Engines {
    sqlite: Database,
    postgres: Database,
    _folder: tempfile::TempDir,
    _server: Arc<Postgres>,
}

impl Engines {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Postgres::shared();
        Self {
            sqlite: open(None, folder.path()),
            postgres: open(Some(server.create_database()), folder.path()),
            _folder: folder,
            _server: server,
        }
    }

    fn both(&self) -> [&Database; 2] {
        [&self.sqlite, &self.postgres]
    }
}
