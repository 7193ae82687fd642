//! A client of the server, with the task that drives its connection.

use std::ops::Deref;

use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// The maximum number of times that a message is sent if a time limit of the session cancels it.
const ATTEMPTS: usize = 10;

/// A client and the task that drives its connection. Dropping this closes the connection, even if the network is
/// silent, so that the server ends its transaction.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) driver: AbortHandle,
    /// The id of the server's process.
    pub(super) process: i32,
}

impl Session {
    /// Runs statements, the first of which set time limits. Repeats all if the server cancels one: until the limits
    /// are set, the defaults of the database or the role apply, which can be too short.
    pub(super) async fn set_up(&self, statements: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        let mut result = self.client.simple_query(statements).await;
        for _ in 1..ATTEMPTS {
            if result.as_ref().err().and_then(Error::code) != Some(&SqlState::QUERY_CANCELED) {
                break;
            }
            result = self.client.simple_query(&format!("ROLLBACK; {statements}")).await;
        }
        result
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_postgres::{Config, NoTls};

    use super::{ATTEMPTS, Session};

    /// Answers a connection as a server does, and returns the received statements. Cancels those whose numbers are in
    /// `cancelled`.
    async fn serve(mut stream: DuplexStream, cancelled: std::ops::Range<usize>) -> Vec<String> {
        let length = stream.read_u32().await.unwrap() as usize;
        stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
        let mut statements = Vec::new();
        while let Ok(b'Q') = stream.read_u8().await {
            let length = stream.read_u32().await.unwrap() as usize;
            let mut text = vec![0; length - 4];
            stream.read_exact(&mut text).await.unwrap();
            text.pop();
            let (kind, body): (u8, &[u8]) = if cancelled.contains(&statements.len()) {
                (b'E', b"SERROR\0VERROR\0C57014\0Mcanceling statement\0\0")
            } else {
                (b'C', b"SET\0")
            };
            statements.push(String::from_utf8(text).unwrap());
            stream.write_u8(kind).await.unwrap();
            stream.write_u32(u32::try_from(body.len()).unwrap() + 4).await.unwrap();
            stream.write_all(body).await.unwrap();
            stream.write_all(b"Z\0\0\0\x05I").await.unwrap();
        }
        statements
    }

    #[tokio::test]
    async fn setting_limits_is_repeated_while_the_limit_of_the_role_ends_it() {
        for (count, succeeds) in [(0, true), (3, true), (ATTEMPTS, false)] {
            let (near, far) = duplex(4096);
            let server = tokio::spawn(serve(far, 0..count));
            let (client, connection) = Config::new().user("tgscan").connect_raw(near, NoTls).await.unwrap();
            let driver = tokio::spawn(connection).abort_handle();
            let session = Session { client, driver, process: 1 };
            assert_eq!(session.set_up("SET a TO 1").await.is_ok(), succeeds);
            drop(session);
            let mut expected = vec!["ROLLBACK; SET a TO 1"; (count + 1).min(ATTEMPTS)];
            expected[0] = "SET a TO 1";
            assert_eq!(server.await.unwrap(), expected);
        }
    }
}
