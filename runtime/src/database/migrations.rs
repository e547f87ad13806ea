//! Which migration comes next, and when a database must be left alone.

use super::error::DatabaseError;

/// The numbered SQL files of each dialect, as `(file name, text)` in the order they are applied:
/// `("0001_tables.sql", include_str!("…"))`.
///
/// A file runs once, in one transaction with its row in `schema_migrations`; it holds no `BEGIN`,
/// `COMMIT` or other statement that cannot run inside one. A PostgreSQL file that meets tables it
/// must not touch says so with `RAISE EXCEPTION … USING HINT …`: the transaction rolls back and
/// every call answers [`DatabaseError::Refused`] with that text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Migrations {
    pub postgres: &'static [(&'static str, &'static str)],
    pub sqlite: &'static [(&'static str, &'static str)],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// One row of `schema_migrations`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) name: String,
}

/// Reads versions from file names; they count 1, 2, 3 …
pub(crate) fn numbered(
    files: &'static [(&'static str, &'static str)],
) -> Result<Vec<Migration>, DatabaseError> {
    let parse = |(expected, &(file, sql)): (i64, &(&'static str, &'static str))| {
        let (number, name) = file.trim_end_matches(".sql").split_once('_')?;
        let version = number.parse().ok().filter(|version| *version == expected)?;
        Some(Migration { version, name, sql })
    };
    (1..)
        .zip(files)
        .map(|pair| {
            parse(pair).ok_or_else(|| {
                DatabaseError::Settings(format!(
                    "migration {} is number {} of its list: its name must be {:04}_<what>.sql",
                    pair.1.0, pair.0, pair.0
                ))
            })
        })
        .collect()
}

/// The first migration that `applied` (ordered by version) lacks.
///
/// # Errors
/// `Refused` when the database was migrated by files this program does not have at those numbers.
/// Versions beyond the program's last are an older program on a newer database, which is how a
/// deploy is rolled back: they are left alone.
pub(crate) fn next<'a>(
    known: &'a [Migration],
    applied: &[Applied],
) -> Result<Option<&'a Migration>, DatabaseError> {
    let stranger = (1..).zip(applied).find(|(position, applied)| {
        let expected = usize::try_from(position - 1)
            .ok()
            .and_then(|i| known.get(i));
        applied.version != *position || expected.is_some_and(|known| known.name != applied.name)
    });
    if let Some((position, applied)) = stranger {
        let expected = known
            .iter()
            .find(|known| known.version == position)
            .map_or("no such migration", |known| known.name);
        return Err(DatabaseError::Refused(format!(
            "migration {} was applied to this database as \"{}\", this program has \"{expected}\" as \
             number {position}: applied migrations are never renamed, reordered or removed. Restore \
             the old file names, or use another database.",
            applied.version, applied.name
        )));
    }
    Ok(known.get(applied.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[("0001_tables.sql", "A"), ("0002_index.sql", "B")];

    fn applied(rows: &[(i64, &str)]) -> Vec<Applied> {
        rows.iter()
            .map(|&(version, name)| Applied {
                version,
                name: name.to_owned(),
            })
            .collect()
    }

    #[test]
    fn the_first_missing_migration_comes_next() {
        let known = numbered(FILES).unwrap();
        let next_name = |rows: &[(i64, &str)]| {
            next(&known, &applied(rows))
                .unwrap()
                .map(|migration| migration.name)
        };
        assert_eq!(next_name(&[]), Some("tables"));
        assert_eq!(next_name(&[(1, "tables")]), Some("index"));
        assert_eq!(next_name(&[(1, "tables"), (2, "index")]), None);
        let newer = [(1, "tables"), (2, "index"), (3, "from_a_newer_program")];
        assert_eq!(next_name(&newer), None);
    }

    #[test]
    fn a_renamed_reordered_or_missing_migration_is_refused() {
        let known = numbered(FILES).unwrap();
        for rows in [
            vec![(1, "users")],
            vec![(1, "index"), (2, "tables")],
            vec![(2, "index")],
            vec![(1, "tables"), (3, "later")],
        ] {
            let refused = next(&known, &applied(&rows));
            assert!(
                matches!(refused, Err(DatabaseError::Refused(_))),
                "{rows:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn file_names_must_count_from_one() {
        for files in [
            &[("0002_tables.sql", "")][..],
            &[("tables.sql", "")],
            &[("0001_a.sql", ""), ("0003_b.sql", "")],
        ] {
            assert!(matches!(numbered(files), Err(DatabaseError::Settings(_))));
        }
    }
}
