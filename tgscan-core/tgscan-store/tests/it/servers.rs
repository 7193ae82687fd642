//! Servers as they are configured elsewhere: poolers, standbys, and TLS with a private authority.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::server::{Server, as_user, directory, keep, own, program, run};

/// A `PgBouncer` in front of a server, which ends with this process.
pub(crate) struct Pooler {
    directory: PathBuf,
    _child: Child,
}

impl Pooler {
    /// Starts a pooler with up to `connections` to the server.
    pub(crate) fn start(server: &Server, mode: &str, connections: u32) -> Self {
        let directory = directory();
        let config = format!(
            "[databases]\n* = host={server}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {here}\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\nmax_client_conn = 100\n",
            server = server.directory.display(),
            here = directory.display(),
        );
        // Any user, as this one.
        let config = config.replace("* = host", "postgres = user=postgres host");
        let path = directory.join("pgbouncer.ini");
        std::fs::write(&path, config).unwrap();
        own(&path);
        let child = keep(&directory, &pgbouncer(), vec![path.into()], "process up");
        Self { directory, _child: child }
    }

    pub(crate) fn url(&self) -> String {
        format!("host={} port=6432 user=postgres dbname=postgres", self.directory.display())
    }
}

fn pgbouncer() -> PathBuf {
    let found = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().map(PathBuf::from);
    found.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("no pgbouncer in /usr/sbin or /usr/bin: install PgBouncer, or run `.ci/install`")
    })
}

/// Starts a standby of a server.
pub(crate) fn standby(primary: &Server) -> Server {
    Server::start_with(&["listen_addresses="], |data| {
        let mut backup = as_user(&program("pg_basebackup"));
        run(backup
            .args(["-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-h"])
            .arg(&primary.directory)
            .arg("-D")
            .arg(data));
    })
}

/// A private authority and servers with its certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// The file with its certificate.
    pub(crate) fn root(&self) -> String {
        self.directory.path().join("root.pem").display().to_string()
    }

    /// As [`root`](Self::root), of an authority that is no longer needed.
    pub(crate) fn root_kept(self) -> String {
        self.directory.keep().join("root.pem").display().to_string()
    }

    /// Writes a certificate for a host and its key into a directory.
    fn issue(&self, host: &str, directory: &Path) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        for (name, pem) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
            let path = directory.join(name);
            std::fs::OpenOptions::new().mode(0o600).write(true).create_new(true).open(&path).unwrap();
            std::fs::write(&path, pem).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            own(&path);
        }
    }
}

/// A server with TLS on a port of the loopback interface, where `app` logs in with a password.
pub(crate) struct TlsServer {
    pub(crate) server: Server,
    pub(crate) port: u16,
}

/// The password of `app`.
pub(crate) const PASSWORD: &str = "s3cret";

impl TlsServer {
    /// Starts a server whose certificate is for a host.
    pub(crate) fn start(authority: &Authority, host: &str) -> Self {
        // Free now, and hardly taken until the server is up.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let settings = [
            "listen_addresses=127.0.0.1",
            &format!("port={port}"),
            "ssl=on",
            "ssl_cert_file=server.crt",
            "ssl_key_file=server.key",
            "password_encryption=scram-sha-256",
        ];
        let server = Server::start_with(&settings, |data| {
            let mut initdb = as_user(&program("initdb"));
            run(initdb
                .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"])
                .arg(data));
            authority.issue(host, data);
            let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all app 127.0.0.1/32 scram-sha-256\n";
            std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        });
        Self { server, port }
    }

    /// Where an administrator connects.
    pub(crate) fn local_url(&self) -> String {
        format!("{} port={}", self.server.url(), self.port)
    }
}

/// The pooled and the replicated server of this process.
pub(crate) fn primary() -> &'static (Server, Server) {
    static SERVERS: OnceLock<(Server, Server)> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let primary = Server::start();
        let standby = standby(&primary);
        (primary, standby)
    })
}
