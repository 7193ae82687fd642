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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::error::Failure;
use super::too_slow;

/// The pause before a server that is starting is tried again.
const PAUSE: Duration = Duration::from_millis(100);

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
    pub(super) fn parse(text: &str, schema: &str, limit: Duration) -> Result<Self, StoreError> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts_well = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !starts_well || schema.len() > 63 || !schema.chars().all(is_name) {
            return Err(StoreError::new(format!(
                "the schema {schema:?} must be up to 63 lower-case letters, digits and underscores"
            )));
        }
        let mut target =
            Self { config: Config::new(), schema: schema.to_owned(), limit, tls: Tls::Remote, roots: None };
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
            Some((start, settings)) if is_url => (format!("{start}?"), "&", settings),
            _ if is_url => return Ok(text.to_owned()),
            _ => (String::new(), " ", text),
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
                ("sslmode", "disable" | "prefer") => rest.push(setting),
                ("sslmode", _) => {
                    return Err(invalid(
                        "`sslmode` must be disable, prefer, require, verify-ca or verify-full",
                    ));
                }
                ("sslrootcert", "system") => {}
                ("sslrootcert", path) => self.roots = Some(percent_decoded(path)?.into()),
                _ => rest.push(setting),
            }
        }
        Ok(start + &rest.join(separator))
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
            let mut connection = self.connect_to_any().await?;
            connection.prepare_all(statements).await?;
            Ok(connection)
        };
        let connected = timeout(self.limit, connecting).await.unwrap_or_else(|_| Err(too_slow(self).into()));
        connected.map_err(|failure: Failure| failure.explain(&self.name()))
    }

    /// Connects to the first host that takes writes. Tries again while a server is starting.
    pub(super) async fn connect_to_any(&self) -> Result<Connection, Failure> {
        let until = Instant::now() + self.limit * 4 / 5;
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let ports = self.config.get_ports();
        let count = hosts.len().max(addresses.len());
        // A host that does not answer leaves time for the others.
        let limit = self.limit / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let limit = self.config.get_connect_timeout().map_or(limit, |shorter| limit.min(*shorter));
        loop {
            let (mut failure, mut is_starting) = (invalid("it names no host").into(), false);
            for index in 0..count {
                let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
                let connecting = self.connect_to(hosts.get(index), addresses.get(index).copied(), port);
                match timeout(limit, connecting).await.unwrap_or_else(|_| Err(too_slow(self).into())) {
                    Ok(connection) => return Ok(connection),
                    Err(other) => failure = other,
                }
                is_starting |= failure.is_starting();
            }
            if !is_starting || Instant::now() >= until {
                return Err(failure);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Connects to a host, at its address if that is given. Refuses a standby.
    async fn connect_to(
        &self,
        host: Option<&Host>,
        address: Option<IpAddr>,
        port: u16,
    ) -> Result<Connection, Failure> {
        let failed =
            |error: std::io::Error| StoreError::new(format!("{}: no connection: {error}", self.name()));
        let mut connection = match host {
            #[cfg(unix)]
            Some(Host::Unix(path)) => {
                let path = path.join(format!(".s.PGSQL.{port}"));
                let stream = tokio::net::UnixStream::connect(path).await.map_err(failed)?;
                self.start(stream, None, "localhost").await?
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
                self.start(stream, Some(address), &name).await?
            }
        };
        if connection.greet().await? {
            return Ok(connection);
        }
        Err(Failure::Store(StoreError::new(format!(
            "{}: the server accepts no writes, because it is a standby; add the primary's host",
            self.name()
        ))))
    }

    /// Logs in over a connection to an address of a host, with TLS if that is needed.
    async fn start<S>(&self, stream: S, address: Option<IpAddr>, host: &str) -> Result<Connection, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut config = self.config.clone();
        let is_encrypted = address.is_some_and(|address| self.tls.is_needed(address));
        config.ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
        let roots = if is_encrypted { self.trusted()? } else { RootCertStore::empty() };
        let connect = MakeTlsConnect::<S>::make_tls_connect(
            &mut MakeRustlsConnect::new(tls_config(roots)?),
            if is_encrypted { host } else { "localhost" },
        );
        let connect = connect
            .map_err(|_| StoreError::new(format!("{}: the host's name cannot be verified", self.name())))?;
        let (client, connection) = config.connect_raw(stream, connect).await?;
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Connection::new(client, driver, &self.schema, self.limit))
    }

    /// Returns the trusted certificate authorities.
    fn trusted(&self) -> Result<RootCertStore, StoreError> {
        let Some(path) = &self.roots else {
            return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        };
        let failed = |_| StoreError::new(format!("{}: contains no readable certificates", path.display()));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
            let added = roots.add(certificate.map_err(failed)?);
            added.map_err(|error| StoreError::new(format!("{}: {error}", path.display())))?;
        }
        Ok(roots)
    }
}

fn tls_config(roots: RootCertStore) -> Result<ClientConfig, StoreError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::new("TLS cannot be set up").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth())
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
        let url = format!("postgres://app:s3cret@localhost/main?{settings}");
        Target::parse(&url, "tgscan", Duration::from_secs(10)).unwrap()
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
                let refused = target("").start(stream, Some(address.parse().unwrap()), "localhost").await;
                refused.err().unwrap().explain("the server").to_string()
            });
            assert!(refused.contains("TLS"), "{address}: {refused}");
            assert_eq!(received.join().unwrap(), (TLS_REQUEST, Vec::new()), "{address}");
        }
    }
}
