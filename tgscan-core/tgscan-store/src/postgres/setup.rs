//! Opens a database: creates the tables if there are none.

use std::time::Duration;

use tgscan_core::store::{OwnerId, StoreError};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::connection::Connection;
use super::error::{Failure, explain};
use super::session::new_owner;
use super::target::Target;
use super::transaction::STATEMENTS;
use super::{LIMIT, too_slow};

const SCHEMA: &str = include_str!("schema.sql");
/// The version of the tables that this program knows.
const VERSION: i32 = 1;

impl Target {
    /// Connects, creates the tables if there are none, and becomes an owner.
    pub(super) async fn open(&self, lease: Duration) -> Result<(Connection, OwnerId), StoreError> {
        let opening = async {
            let client = self.connect_to_any().await.map_err(Failure::Store)?;
            self.create_tables(&client).await?;
            let connection = Connection::new(client, &self.schema, &STATEMENTS).await?;
            let owner = new_owner(&connection, lease).await?;
            Ok((connection, owner))
        };
        match timeout(LIMIT, opening).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Database(error) | Failure::InDoubt(error))) => Err(explain(&self.name(), &error)),
            Ok(Err(Failure::Lease)) | Err(_) => Err(too_slow(self)),
        }
    }

    async fn create_tables(&self, client: &Client) -> Result<(), Failure> {
        let schema = &self.schema;
        client
            .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout TO 9000")
            .await?;
        // Two that open an empty database concurrently make its tables one after the other.
        let lock = "SELECT pg_advisory_xact_lock(hashtext('tgscan-store'), hashtext($1))";
        client.execute_typed(lock, &[(schema, Type::TEXT)]).await?;
        let exists = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'meta')";
        if client.query_typed_one(exists, &[(schema, Type::TEXT)]).await?.get(0) {
            let version = format!("SELECT version FROM {schema}.meta");
            let version: i32 = client.query_typed_one(&version, &[]).await?.get(0);
            if version != VERSION {
                return Err(Failure::Store(StoreError::new(format!(
                    "{}: the schema {schema} has version {version} of the store's tables, and this program knows \
                     version {VERSION}; use the version of the program that fits",
                    self.name()
                ))));
            }
        } else {
            let exists = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
            if !client.query_typed_one(exists, &[(schema, Type::TEXT)]).await?.get::<_, bool>(0) {
                client.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
            }
            client.batch_execute(&format!("SET LOCAL search_path TO {schema}; {SCHEMA}")).await?;
        }
        client.batch_execute("COMMIT").await.map_err(Failure::Database)
    }
}
