//! The product as its callers meet it: the real binary, over sockets, on both databases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

mod app_check;
mod auth_sync;
mod blueprint;
mod chat;
mod chat_callable;
mod chat_records;
mod chat_sessions;
mod chat_stream;
mod chat_tokenless;
mod chunk_events;
mod chunk_outage;
mod cli;
mod conditional;
mod cors;
mod database_outage;
mod download;
mod event_senders;
mod events_cli;
mod file_names;
mod form_bombs;
mod framing;
mod hello_world;
mod identity;
mod image;
mod key_outage;
mod leaks;
mod lifecycle;
mod limits;
mod llm_failures;
mod operations_page;
mod ownership;
mod paths;
mod process_chunk;
mod ranges;
mod reload;
mod resumable;
mod revocation;
mod security_page;
mod storage_v0;
mod upload;
mod upload_abandoned;
mod upload_url;
mod urls;
