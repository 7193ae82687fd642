//! TLS to a server with a private authority.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::thread;

use crate::configurations::{execute, open, use_store};
use crate::servers::{Authority, PASSWORD, TlsServer};

/// A server with a certificate for `localhost`, where `app` may create schemas.
fn server() -> &'static (Authority, TlsServer) {
    static SERVER: OnceLock<(Authority, TlsServer)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let authority = Authority::new();
        let server = TlsServer::start(&authority, "localhost");
        execute(
            &server.local_url(),
            &[
                &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'"),
                "GRANT CREATE ON DATABASE postgres TO app",
            ],
        );
        (authority, server)
    })
}

fn url(host: &str, settings: &str) -> String {
    format!("postgres://app:{PASSWORD}@{host}:{}/postgres?{settings}", server().1.port)
}

fn refused(url: &str) -> String {
    let error = open(url, "refused").expect_err("it connected").to_string();
    assert!(!error.contains(PASSWORD), "{error}");
    error
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn every_mode_with_tls_accepts_the_private_authority() {
    let root = server().0.root();
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = url("localhost", &format!("sslmode={mode}&sslrootcert={root}&application_name=any"));
        use_store(&url, &format!("tls_{}", mode.replace('-', "_")));
        is_encrypted(&format!("tls_{}", mode.replace('-', "_")), &url);
    }
    for binding in ["disable", "prefer", "require"] {
        let url =
            url("localhost", &format!("channel_binding={binding}&sslmode=verify-full&sslrootcert={root}"));
        drop(open(&url, &format!("binding_{binding}")).unwrap());
    }
    // As `key=value`.
    let pairs = format!(
        "host=localhost port={} user=app password={PASSWORD} dbname=postgres sslmode=verify-full sslrootcert={root}",
        server().1.port
    );
    drop(open(&pairs, "tls_pairs").unwrap());
}

/// Checks in the server that the connections of an open store use TLS.
fn is_encrypted(schema: &str, url: &str) {
    let _store = open(url, schema).unwrap();
    // Those whose last statement named the schema.
    let check = format!(
        "DO $$ BEGIN ASSERT (SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'tgscan-store' AND query LIKE '%{schema}%'), 'not encrypted'; END $$"
    );
    execute(&server().1.local_url(), &[&check]);
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn disabled_tls_and_local_addresses_need_no_certificate() {
    for settings in ["sslmode=disable", "sslmode=prefer", "application_name=any"] {
        let schema = format!("plain_{}", settings.len());
        drop(open(&url("localhost", settings), &schema).unwrap());
        drop(open(&url("127.0.0.1", settings), &schema).unwrap());
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn wrong_authority_and_wrong_name_are_refused() {
    let (other, right) = (Authority::new().root_kept(), server().0.root());
    for mode in ["require", "verify-ca", "verify-full"] {
        // Mozilla's authorities, another one, and a certificate for another name.
        for (host, roots) in [
            ("localhost", String::new()),
            ("localhost", "&sslrootcert=system".to_owned()),
            ("localhost", format!("&sslrootcert={other}")),
            ("127.0.0.1", format!("&sslrootcert={right}")),
        ] {
            let error = refused(&url(host, &format!("sslmode={mode}{roots}")));
            assert!(error.contains("certificate"), "{mode} {host} {roots}: {error}");
        }
    }
    let missing = refused(&url("localhost", "sslmode=require&sslrootcert=/no/such/file"));
    assert!(missing.contains("/no/such/file"), "{missing}");
}

/// A server that offers no TLS receives neither the password nor the user.
#[test]
fn server_without_tls_hears_nothing_where_tls_is_required() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 8];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"N").unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            (request, rest)
        });
        let error = refused(&format!("postgres://app:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode={mode}"));
        assert!(error.contains("TLS"), "{error}");
        let (request, rest) = heard.join().unwrap();
        assert_eq!((request, rest), ([0, 0, 0, 8, 4, 210, 22, 47], Vec::new()), "only a request for TLS");
    }
}
