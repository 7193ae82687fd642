//! A client of the server, and the task that drives its connection.

use std::ops::Deref;

use tokio::task::AbortHandle;
use tokio_postgres::Client;

/// A client and the task that drives its connection. Dropping it closes the connection, also if the network is silent, so
/// that the server ends its transaction.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) driver: AbortHandle,
    /// The number of the server's process.
    pub(super) process: i32,
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
