//! The rows of the table, in its order.

mod download;
mod events;
mod hello;
mod memory;
mod routes;
mod size;
mod start;
mod token;
mod upload;
mod uploads;

use crate::figure::Figure;
use crate::peers::Peers;

/// One row: starts what it compares, measures it in rounds, and reports figures.
pub(crate) struct Row {
    /// As the command line names it.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Peers) -> anyhow::Result<Vec<Figure>>,
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "hello",
        about: "hello_world through the whole pipeline, 64 connections, one core",
        measure: hello::measure,
    },
    Row {
        name: "token",
        about: "JSON in and out for a caller with a Firebase token, 64 connections, one core",
        measure: token::measure,
    },
    Row {
        name: "routes",
        about: "10,000 routes instead of 10, 64 connections, one core",
        measure: routes::measure,
    },
    Row {
        name: "start",
        about: "from exec to the first 200",
        measure: start::measure,
    },
    Row {
        name: "memory",
        about: "a server that has answered once and is idle",
        measure: memory::measure,
    },
    Row {
        name: "upload",
        about: "one upload that is on the disk when it is answered",
        measure: upload::measure,
    },
    Row {
        name: "uploads",
        about: "64 such uploads of 8 MiB at once",
        measure: uploads::measure,
    },
    Row {
        name: "download",
        about: "one download of 1 GiB",
        measure: download::measure,
    },
    Row {
        name: "events",
        about: "a backlog of 10,000 events, for a function that does nothing; SQLite",
        measure: events::measure,
    },
    Row {
        name: "size",
        about: "what is shipped",
        measure: size::measure,
    },
];
