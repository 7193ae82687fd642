//! Opens a database, and creates missing tables.

use std::time::Duration;

use tgscan_core::store::{OwnerId, StoreError};
use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::connection::{Connection, Parameter};
use super::error::Failure;
use super::session::{STATEMENTS, new_owner};
use super::target::Target;
use super::too_slow;
use super::version::check_tables;

const SCHEMA: &str = include_str!("schema.sql");
/// Finds a privilege that the role lacks. Without some of them, calls could be claimed and paid, but not settled.
const MISSING: &str = "
    SELECT privilege || ' on ' || name
    FROM unnest('{accounts,answers,calls,journal,owners,people,questions}'::text[]) name,
        unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) privilege
    WHERE NOT has_table_privilege($1 || '.' || name, privilege)
        AND NOT (privilege = 'DELETE' AND name IN ('accounts', 'journal'))
    ORDER BY name, privilege LIMIT 1";

impl Target {
    /// Connects, creates missing tables, and becomes an owner.
    pub(super) async fn open(&self, lease: Duration) -> Result<(Connection, OwnerId), StoreError> {
        let opening = async {
            let mut connection = self.connect_to_any().await?;
            self.create_tables(&connection).await?;
            connection.prepare_all(&STATEMENTS).await?;
            let owner = new_owner(&connection, lease).await?;
            Ok((connection, owner))
        };
        let opened = timeout(self.limit, opening).await.unwrap_or_else(|_| Err(too_slow(self).into()));
        opened.map_err(|failure: Failure| failure.explain(&self.name()))
    }

    async fn create_tables(&self, connection: &Connection) -> Result<(), Failure> {
        let schema = &self.schema;
        let named = [(Box::new(schema.clone()) as _, Type::TEXT)];
        connection.begin_anywhere().await?;
        // Processes that open an empty database concurrently create its tables one after the other.
        let lock = "SELECT pg_advisory_xact_lock(hashtext('tgscan-store'), hashtext($1))";
        connection.query(lock, &named).await?;
        let exists = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1),
            EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'meta')";
        let exists = connection.query(exists, &named).await?;
        let (has_schema, has_tables) =
            exists.first().map_or((false, false), |row| (row.get::<_, bool>(0), row.get::<_, bool>(1)));
        if has_tables {
            check_usable(connection, &named).await.map_err(|failure| match failure {
                Failure::Store(error) => {
                    StoreError::new(format!("{}: schema {schema}: {error}", self.name())).into()
                }
                failure => failure,
            })?;
        } else {
            if !has_schema {
                connection.execute("CREATE SCHEMA {schema}").await?;
            }
            connection.execute(&format!("SET LOCAL search_path TO {{schema}}; {SCHEMA}")).await?;
        }
        Ok(connection.commit().await?)
    }
}

/// Refuses tables of another version, and a role without the necessary privileges.
async fn check_usable(connection: &Connection, schema: &[Parameter]) -> Result<(), Failure> {
    check_tables(connection).await?;
    let missing = connection.query(MISSING, schema).await?;
    missing.first().map_or(Ok(()), |row| {
        let missing: &str = row.get(0);
        Err(StoreError::new(format!("the role lacks a privilege: {missing}")).into())
    })
}
