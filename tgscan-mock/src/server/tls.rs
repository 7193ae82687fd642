//! A certificate authority and a certificate, created at every start.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tgscan_core::types::civil_of_day;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};

/// The names in every certificate, for the addresses that the server listens on.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The server's TLS settings, and the certificate for clients to trust.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) ca_pem: String,
}

impl Tls {
    /// Creates a server certificate for the loopback names and these names.
    pub(super) fn new(host_names: &[String]) -> io::Result<Self> {
        let is_valid = |name: &&String| ServerName::try_from(name.trim_start_matches("*.")).is_ok();
        if let Some(wrong) = host_names.iter().find(|name| !is_valid(name)) {
            let message =
                format!("{wrong:?} is not a host name or IP address; use names like `api.tgdev.io`");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let failed = |error: rcgen::Error| io::Error::other(format!("cannot create a certificate: {error}"));

        let mut authority = CertificateParams::default();
        valid(&mut authority);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "tgscan-mock certificate authority");
        let authority_key = KeyPair::generate().map_err(failed)?;
        let ca_pem = authority.self_signed(&authority_key).map_err(failed)?.pem();
        let issuer = Issuer::new(authority, authority_key);

        let mut names: Vec<String> = LOOPBACK.map(str::to_owned).to_vec();
        names.extend(host_names.iter().filter(|name| !LOOPBACK.contains(&name.as_str())).cloned());
        let mut leaf = CertificateParams::new(names).map_err(failed)?;
        valid(&mut leaf);
        leaf.distinguished_name.push(DnType::CommonName, "tgscan-mock");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&leaf_key, &issuer).map_err(failed)?;

        // An explicit provider: the process default may be missing or set by another crate.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                let key = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
                config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
            })
            .map_err(io::Error::other)?;
        // In order of preference.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem })
    }
}

/// Makes a certificate valid from yesterday, for clocks that differ, to the longest time that Apple's platforms accept:
/// 825 days.
fn valid(certificate: &mut CertificateParams) {
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
        / (24 * 60 * 60);
    let date = |day| {
        let (year, month, day) = civil_of_day(day);
        let number = |number: u64| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(i32::try_from(year).unwrap_or(2026), number(month), number(day))
    };
    certificate.not_before = date(today.saturating_sub(1));
    certificate.not_after = date(today + 823);
}
