//! The log of the client of PostgreSQL.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use crate::postgres::{Database, runtime};
use crate::support::{mock, policy};

/// The log of all tests, at the level `debug`.
struct Log(Mutex<String>);

static LOG: Log = Log(Mutex::new(String::new()));

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{}", record.args()).unwrap();
    }

    fn flush(&self) {}
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn log_contains_no_question_and_no_answer() {
    let (database, mock) = (Database::new(), mock());
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let client = mock.client().with_store(Arc::new(database.open()), policy());
    let reply = runtime().block_on(client.search("logged_1")).unwrap();
    runtime().block_on(client.search("logged_1")).unwrap();
    log::set_max_level(log::LevelFilter::Off);
    let log = LOG.0.lock().unwrap();
    assert!(log.contains("executing statement"), "{log}");
    for secret in [&b"logged_1"[..], &reply.raw()[..40]] {
        // The values are bytes.
        let bytes = format!("{secret:?}");
        assert!(!log.contains(bytes.trim_matches(['[', ']'])) && !log.contains("logged_1"), "{log}");
    }
}
