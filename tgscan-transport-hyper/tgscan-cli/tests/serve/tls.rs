//! Other machines, and TLS.

use std::io::{Read, Write};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Gateway, World};

/// Writes a certificate and its key, and returns the certificate.
fn certify(world: &World) -> CertificateDer<'static> {
    let signed = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()]).unwrap();
    world.write("cert.pem", &signed.cert.pem());
    world.write("key.pem", &signed.signing_key.serialize_pem());
    signed.cert.der().clone()
}

/// Asks for `/healthz` over TLS, if the certificate is trusted.
fn health(gateway: &Gateway, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("gateway.test").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, gateway.connect());
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn tls_is_served_and_its_files_are_read_again() {
    let world = World::new(100);
    world.configure("", "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"");
    let first = certify(&world);
    let gateway = world.start();
    assert!(health(&gateway, &first).unwrap().starts_with("HTTP/1.1 200"));
    let second = certify(&world);
    health(&gateway, &second).unwrap_err();
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert!(health(&gateway, &second).unwrap().starts_with("HTTP/1.1 200"));
    health(&gateway, &first).unwrap_err();
    // A wrong file is refused with all else.
    world.write("key.pem", "secret");
    gateway.signal("-HUP");
    let refused = gateway.wait_for("reload_refused");
    assert!(!refused["problem"].as_str().unwrap().contains("secret"));
    assert!(health(&gateway, &second).is_ok());
}

#[test]
fn other_machines_need_two_words_and_tls() {
    let world = World::new(100);
    let text = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    world.write("gateway.toml", &text.replace("127.0.0.1:0", "0.0.0.0:0"));
    for (arguments, problem) in
        [(&[][..], "--allow-remote"), (&["--allow-remote"], "--plain"), (&["--plain"], "--allow-remote")]
    {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(problem), "{said}");
    }
    let gateway = world.start_with(&["--allow-remote", "--plain"]);
    assert!(gateway.address.ip().is_unspecified());
    drop(gateway);
    certify(&world);
    let text = std::fs::read_to_string(world.path("gateway.toml")).unwrap();
    world.write("gateway.toml", &format!("{text}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n"));
    world.start_with(&["--allow-remote"]);
    assert_eq!(world.run(&["--allow-remote", "--plain"]).status.code(), Some(2));
}
