//! Where the database is, and how to connect to it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tgscan_core::store::StoreError;
use tokio::net::TcpStream;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::client::Session;
use super::connection::Connection;
use super::error::explain;
use super::{LIMIT, too_slow};

/// The pause before a server that is starting is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// A failed connection attempt.
struct Refused {
    error: StoreError,
    /// Whether the server is starting or recovering.
    is_starting: bool,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self { error, is_starting: false }
    }
}

/// The hosts of the database, and the settings of a connection.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    pub(super) schema: String,
    /// The time limit of connecting, of a transaction and of a read.
    pub(super) limit: Duration,
    tls: Tls,
    roots: Option<PathBuf>,
}

/// When TLS is used. With TLS, the certificate and its name are always verified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    Never,
    /// Unless the address is on this machine.
    Remote,
    Always,
}

impl Tls {
    /// Whether a connection to an address needs TLS. A loopback address may be written as one of IPv6.
    fn is_needed(self, address: IpAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Remote => !address.to_canonical().is_loopback(),
            Self::Always => true,
        }
    }
}

impl Target {
    /// Parses a connection string. Errors do not quote it, because it may contain a password.
    pub(super) fn parse(text: &str, schema: &str) -> Result<Self, StoreError> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts_well = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !starts_well || schema.len() > 63 || !schema.chars().all(is_name) {
            return Err(StoreError::new(format!(
                "the schema {schema:?} must be up to 63 lower-case letters, digits and underscores"
            )));
        }
        let mut target = Self {
            config: Config::new(),
            schema: schema.to_owned(),
            limit: LIMIT,
            tls: Tls::Remote,
            roots: None,
        };
        let text = target.take_tls_settings(text.trim())?;
        target.config = text.parse().map_err(|_| invalid("a part of it cannot be read"))?;
        if target.config.get_hosts().is_empty() && target.config.get_hostaddrs().is_empty() {
            return Err(invalid("it names no host"));
        }
        if target.config.get_ssl_mode() == SslMode::Disable {
            target.tls = Tls::Never;
        }
        target.config.application_name("tgscan-store");
        // `greet` checks this, because a pooler does not forward the setting.
        target.config.target_session_attrs(TargetSessionAttrs::Any);
        Ok(target)
    }

    pub(super) fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Removes the settings that tokio-postgres does not support: `sslrootcert`, and the modes `verify-ca` and
    /// `verify-full`.
    fn take_tls_settings(&mut self, text: &str) -> Result<String, StoreError> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if !is_url && text.contains("://") {
            return Err(invalid("its scheme is not `postgres`"));
        }
        // Errors show the host, which must not be a part of the password.
        if is_url && text.split('?').next().unwrap_or_default().matches('@').count() > 1 {
            return Err(invalid("it has more than one @; write @ in a password as %40"));
        }
        let (start, separator, settings) = match text.split_once('?') {
            Some((start, settings)) if is_url => (start, '&', settings),
            _ if is_url => return Ok(text.to_owned()),
            _ => ("", ' ', text),
        };
        if !is_url && (text.contains(['\'', '"', '\\']) || !text.contains('=')) {
            return Err(invalid(
                "it is not a URL, and quoted values of settings are not supported; use a URL",
            ));
        }
        let mut rest = Vec::new();
        for setting in settings.split(separator).filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').ok_or_else(|| invalid("a setting has no value"))?;
            match (name.trim(), value.trim()) {
                ("sslmode", "verify-ca" | "verify-full" | "require") => self.tls = Tls::Always,
                ("sslmode", "disable" | "prefer") => rest.push(setting.to_owned()),
                ("sslmode", _) => {
                    return Err(invalid(
                        "`sslmode` must be disable, prefer, require, verify-ca or verify-full",
                    ));
                }
                ("sslrootcert", "system") => {}
                ("sslrootcert", path) => self.roots = Some(percent_decoded(path)?.into()),
                _ => rest.push(setting.to_owned()),
            }
        }
        let rest = rest.join(&separator.to_string());
        Ok(if is_url && rest.is_empty() {
            start.to_owned()
        } else if is_url {
            format!("{start}?{rest}")
        } else {
            rest
        })
    }

    /// Returns the hosts, for errors.
    pub(super) fn name(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let mut names: Vec<String> = hosts.collect();
        if names.is_empty() {
            names = self.config.get_hostaddrs().iter().map(IpAddr::to_string).collect();
        }
        format!("PostgreSQL at {}", names.join(", "))
    }

    /// Connects to the first host that takes writes, and prepares statements.
    pub(super) async fn connect(&self, statements: &[&'static str]) -> Result<Connection, StoreError> {
        let connecting = async {
            let client = self.connect_to_any().await?;
            let connection = Connection::new(client, &self.schema, self.limit, statements).await;
            connection.map_err(|error| explain(&self.name(), &error))
        };
        tokio::time::timeout(self.limit, connecting).await.unwrap_or_else(|_| Err(too_slow(self)))
    }

    /// Connects to the first host that takes writes. Tries again while a server is starting.
    pub(super) async fn connect_to_any(&self) -> Result<Session, StoreError> {
        let until = Instant::now() + self.limit * 4 / 5;
        loop {
            match self.connect_once().await {
                Ok(session) => return Ok(session),
                Err(refused) if !refused.is_starting || Instant::now() >= until => return Err(refused.error),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn connect_once(&self) -> Result<Session, Refused> {
        let mut refused = Refused::from(StoreError::new(format!("{}: no host", self.name())));
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let count = hosts.len().max(addresses.len());
        // A host that does not answer leaves time for the others.
        let limit = self.limit / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let limit = self.config.get_connect_timeout().map_or(limit, |shorter| limit.min(*shorter));
        for index in 0..count {
            let ports = self.config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            let connecting = self.connect_to(hosts.get(index), addresses.get(index).copied(), port);
            let is_starting = refused.is_starting;
            match tokio::time::timeout(limit, connecting).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => refused = error,
                Err(_) => refused = too_slow(self).into(),
            }
            refused.is_starting |= is_starting;
        }
        Err(refused)
    }

    /// Connects to a host, at its address if that is given.
    async fn connect_to(
        &self,
        host: Option<&Host>,
        address: Option<IpAddr>,
        port: u16,
    ) -> Result<Session, Refused> {
        let failed =
            |error: std::io::Error| StoreError::new(format!("{}: no connection: {error}", self.name()));
        let client = match host {
            #[cfg(unix)]
            Some(Host::Unix(path)) => {
                let path = path.join(format!(".s.PGSQL.{port}"));
                let stream = tokio::net::UnixStream::connect(path).await.map_err(failed)?;
                self.start(stream, NoTls, SslMode::Disable, "localhost").await?
            }
            host => {
                let address = address.map(|address| address.to_string());
                let name = match host {
                    Some(Host::Tcp(name)) => name.clone(),
                    _ => address.clone().unwrap_or_default(),
                };
                let place = (address.as_deref().unwrap_or(&name), port);
                let stream = TcpStream::connect(place).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                let address = stream.peer_addr().map_err(failed)?.ip();
                self.start_at(stream, address, &name).await?
            }
        };
        Ok(self.greet(client).await?)
    }

    /// Logs in over a connection to an address, with TLS if that is needed.
    async fn start_at(&self, stream: TcpStream, address: IpAddr, name: &str) -> Result<Session, Refused> {
        if !self.tls.is_needed(address) {
            return self.start(stream, NoTls, SslMode::Disable, name).await;
        }
        let tls = MakeRustlsConnect::new(self.tls_config()?);
        self.start(stream, tls, SslMode::Require, name).await
    }

    /// Checks that a server accepts writes. Uses one message, so that short time limits of the session do not matter.
    async fn greet(&self, mut client: Session) -> Result<Session, StoreError> {
        let limit = self.limit.as_millis();
        let select = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout TO {limit};
             SELECT pg_is_in_recovery(), pg_backend_pid(); COMMIT"
        );
        let messages = client.set_up(&select).await.map_err(|error| explain(&self.name(), &error))?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        if row.and_then(|row| row.get(0)) != Some("f") {
            return Err(StoreError::new(format!(
                "{}: the server takes no writes, because it is a standby; add the primary's host",
                self.name()
            )));
        }
        client.process = row.and_then(|row| row.get(1)?.parse().ok()).unwrap_or_default();
        Ok(client)
    }

    async fn start<S, T>(&self, stream: S, mut tls: T, mode: SslMode, host: &str) -> Result<Session, Refused>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        T: MakeTlsConnect<S> + Send,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as tokio_postgres::tls::TlsConnect<S>>::Future: Send,
    {
        let connect = tls
            .make_tls_connect(host)
            .map_err(|_| StoreError::new(format!("{}: the host's name cannot be verified", self.name())))?;
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        let (client, connection) = config.connect_raw(stream, connect).await.map_err(|error| Refused {
            error: explain(&self.name(), &error),
            is_starting: error.code() == Some(&SqlState::CANNOT_CONNECT_NOW),
        })?;
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Session { client, driver, process: 0 })
    }

    fn tls_config(&self) -> Result<ClientConfig, StoreError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = &self.roots {
            let failed =
                |_| StoreError::new(format!("{}: contains no readable certificates", path.display()));
            roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
                let added = roots.add(certificate.map_err(failed)?);
                added.map_err(|error| StoreError::new(format!("{}: {error}", path.display())))?;
            }
        }
        Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::new("TLS cannot be set up").with_source(error))?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

fn invalid(why: &str) -> StoreError {
    StoreError::new(format!(
        "the connection string is invalid: {why}; it must look like postgres://user:password@host/database"
    ))
}

fn percent_decoded(text: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => (bytes.push(decoded), rest = &after[2..]),
            None => (bytes.push(*byte), rest = after),
        };
    }
    String::from_utf8(bytes).map_err(|_| invalid("a part of it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn target(settings: &str) -> Target {
        Target::parse(&format!("postgres://app:s3cret@localhost/main?{settings}"), "tgscan").unwrap()
    }

    const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

    #[test]
    fn only_loopback_addresses_need_no_tls() {
        let is_needed = |settings, address: &str| target(settings).tls.is_needed(address.parse().unwrap());
        for address in ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"] {
            assert!(!is_needed("sslmode=prefer", address) && !is_needed("", address), "{address}");
            assert!(is_needed("sslmode=require", address), "{address}");
        }
        let remote =
            ["10.0.0.1", "172.17.0.1", "192.168.1.2", "128.0.0.1", "0.0.0.0", "169.254.1.1", "192.0.2.1"];
        let remote_v6 =
            ["::ffff:10.0.0.1", "::ffff:192.0.2.1", "::127.0.0.1", "::", "fe80::1", "fd00::1", "2001:db8::1"];
        for address in remote.into_iter().chain(remote_v6) {
            assert!(is_needed("sslmode=prefer", address) && is_needed("", address), "{address}");
            assert!(!is_needed("sslmode=disable", address), "{address}");
        }
    }

    #[test]
    fn remote_server_without_tls_receives_only_a_request_for_it() {
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let here = listener.local_addr().unwrap();
            let received = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut rest) = ([0; 8], Vec::new());
                stream.read_exact(&mut request).unwrap();
                if request == TLS_REQUEST {
                    stream.write_all(b"N").unwrap();
                    let _ = stream.read_to_end(&mut rest);
                }
                (request, rest)
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let refused = runtime.block_on(async {
                let stream = TcpStream::connect(here).await.unwrap();
                // As if the connection led there.
                target("").start_at(stream, address.parse().unwrap(), "localhost").await.err().unwrap()
            });
            assert!(refused.error.to_string().contains("TLS"), "{address}: {}", refused.error);
            assert_eq!(received.join().unwrap(), (TLS_REQUEST, Vec::new()), "{address}");
        }
    }
}
