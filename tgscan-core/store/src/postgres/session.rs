//! A connection, and the owner that it is in the database.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tgscan_core::store::StoreError;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::explain;

const SCHEMA: &str = include_str!("schema.sql");
/// The version of the tables that this program knows.
const VERSION: i32 = 1;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that holds its owner's lock: when it is gone, its calls in flight are uncertain.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) owner: i32,
    pub(super) claim: Statement,
    pub(super) settle: Statement,
}

/// Where and how to connect.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    schema: String,
    uses_tls: bool,
}

impl Target {
    pub(super) fn parse(url: &str, schema: &str) -> Result<Self, StoreError> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if schema.is_empty()
            || schema.len() > 63
            || !schema.chars().all(is_name)
            || schema.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(StoreError::new(format!(
                "the schema {schema:?} must be up to 63 lower-case letters, digits and underscores"
            )));
        }
        // Not the parser's own text, which may quote the password.
        let mut config: Config = url.parse().map_err(|_| {
            StoreError::new(
                "the database URL is invalid; it must look like postgres://user:password@host/database",
            )
        })?;
        let is_local = config.get_hosts().iter().all(|host| match host {
            Host::Tcp(host) => {
                host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        });
        let uses_tls = match config.get_ssl_mode() {
            SslMode::Disable => false,
            // Queries are about people: they leave the machine in clear text only where that was asked for.
            SslMode::Prefer if is_local => false,
            _ => true,
        };
        config.ssl_mode(if uses_tls { SslMode::Require } else { SslMode::Disable });
        config.application_name("tgscan-store").connect_timeout(CONNECT);
        // A peer that vanished is noticed within a minute.
        config
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(15))
            .keepalives_interval(Duration::from_secs(15));
        config.keepalives_retries(3);
        Ok(Self { config, schema: schema.to_owned(), uses_tls })
    }

    /// The host, for errors.
    pub(super) fn name(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        format!("PostgreSQL at {}", hosts.collect::<Vec<_>>().join(", "))
    }

    /// Connects, brings the tables up to date, and becomes a new owner.
    pub(super) async fn connect(&self) -> Result<Session, StoreError> {
        let connecting = async {
            let client = self.open().await?;
            self.prepare(client).await
        };
        tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    /// Connects without becoming an owner.
    pub(super) async fn connect_apart(&self) -> Result<Client, StoreError> {
        let connecting = async {
            let client = self.open().await?;
            let set = format!("SET search_path TO {}; SET lock_timeout TO '30s'", self.schema);
            client.batch_execute(&set).await.map_err(|error| explain(&self.name(), &error))?;
            Ok(client)
        };
        tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    fn too_slow(&self) -> StoreError {
        StoreError::new(format!("{} did not answer within {} s", self.name(), CONNECT.as_secs()))
    }

    async fn open(&self) -> Result<Client, StoreError> {
        let fail = |error| explain(&self.name(), &error);
        if self.uses_tls {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| StoreError::new("TLS cannot be set up").with_source(error))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            let (client, connection) =
                self.config.connect(MakeRustlsConnect::new(config)).await.map_err(fail)?;
            tokio::spawn(async move { drop(connection.await) });
            Ok(client)
        } else {
            let (client, connection) = self.config.connect(NoTls).await.map_err(fail)?;
            tokio::spawn(async move { drop(connection.await) });
            Ok(client)
        }
    }

    async fn prepare(&self, mut client: Client) -> Result<Session, StoreError> {
        let fail = |error| explain(&self.name(), &error);
        let schema = &self.schema;
        client
            .batch_execute(&format!(
                "SET search_path TO {schema}; SET synchronous_commit TO on; SET lock_timeout TO '30s';
                 SET tcp_keepalives_idle TO 15; SET tcp_keepalives_interval TO 15; SET tcp_keepalives_count TO 3"
            ))
            .await
            .map_err(fail)?;
        let transaction = client.transaction().await.map_err(fail)?;
        // Two that open an empty database at once make its tables one after the other.
        transaction
            .execute(
                "SELECT pg_advisory_xact_lock(hashtext('tgscan-store migration'), hashtext($1))",
                &[schema],
            )
            .await
            .map_err(fail)?;
        let is_there = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'meta')";
        if transaction.query_one(is_there, &[schema]).await.map_err(fail)?.get(0) {
            let version: i32 =
                transaction.query_one("SELECT version FROM meta", &[]).await.map_err(fail)?.get(0);
            if version != VERSION {
                return Err(StoreError::new(format!(
                    "{}: the schema {schema} has version {version} of the store's tables, and this program knows \
                     version {VERSION}; use a newer one",
                    self.name()
                )));
            }
        } else {
            let create = format!("CREATE SCHEMA IF NOT EXISTS {schema}; {SCHEMA}");
            transaction.batch_execute(&create).await.map_err(fail)?;
        }
        transaction.commit().await.map_err(fail)?;
        let owner: i32 =
            client.query_one("SELECT nextval('owners')::integer", &[]).await.map_err(fail)?.get(0);
        client.execute("SELECT pg_advisory_lock(lock_class(), $1)", &[&owner]).await.map_err(fail)?;
        let claim = client
            .prepare("SELECT * FROM claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
            .await
            .map_err(fail)?;
        let settle = client.prepare("SELECT settle($1, $2, $3, $4, $5, $6)").await.map_err(fail)?;
        Ok(Session { client, owner, claim, settle })
    }
}
