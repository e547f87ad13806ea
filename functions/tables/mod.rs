//! The tables that these functions share. The SQL that makes them is in `functions/migrations`.

pub(crate) mod chunks;
pub(crate) mod conversations;
pub(crate) mod learning_log;
pub(crate) mod users;

#[cfg(test)]
mod tests;
