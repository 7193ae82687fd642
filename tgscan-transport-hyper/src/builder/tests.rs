//! What the builder refuses, and what it says then.

use super::*;

fn refused(builder: HyperTransportBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn refuses_what_makes_no_sense_and_says_what_would() {
    let new = HyperTransportBuilder::default;
    let zero = Duration::ZERO;
    for (builder, says) in [
        (new().connect_timeout(zero), "`connect_timeout` is zero"),
        (new().attempt_timeout(zero), "`attempt_timeout` is zero"),
        (new().pool_idle_timeout(zero), "`pool_max_idle_per_host(0)`"),
        (new().tcp_keepalive(zero), "`tcp_keepalive` is zero"),
        (new().first_byte_timeout(zero), "`first_byte_timeout` is zero"),
        (new().read_timeout(zero), "`read_timeout` is zero"),
        (new().max_body_size(0), "`max_body_size` is zero"),
        (new().user_agent("a\r\nb"), "give a text like `my-app/1.0`"),
        (new().user_agent(""), "`user_agent` is empty"),
        (new().extra_roots_pem(""), "without any certificate"),
        (new().extra_roots_pem("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"), "without any"),
        (new().extra_roots_pem("-----BEGIN CERTIFICATE-----\nYQ==\n"), "not PEM"),
        (new().extra_roots_pem("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"), "not PEM"),
        (new().extra_root_der(*b"no certificate"), "extra root certificate 1 cannot be used"),
    ] {
        let said = refused(builder);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn extreme_settings_are_accepted() {
    let builder = HyperTransportBuilder::default()
        .connect_timeout(Duration::MAX)
        .attempt_timeout(Duration::from_nanos(1))
        .pool_idle_timeout(Duration::MAX)
        .pool_max_idle_per_host(0)
        .tcp_keepalive(Duration::MAX)
        .max_body_size(usize::MAX);
    builder.build().unwrap();
}

#[test]
fn debug_leaves_the_roots_out() {
    let builder = HyperTransportBuilder::default().extra_roots_pem("secret");
    assert!(!format!("{builder:?}").contains("secret"));
}

#[test]
fn contradictions_are_refused_and_say_what_to_change() {
    let new = HyperTransportBuilder::default;
    let own = config;
    let mut with_alpn = own();
    with_alpn.alpn_protocols = vec![b"h2".to_vec()];
    let long = Duration::from_secs(31);
    for (builder, says) in [
        (new().first_byte_timeout(long), "the other one must be shorter"),
        (new().read_timeout(long), "`read_timeout` and `attempt_timeout`"),
        (new().only_extra_roots(), "add the authority to trust with `extra_roots_pem`"),
        (new().tls_config(own()).only_extra_roots(), "trust them in your `ClientConfig`"),
        (new().tls_config(own()).extra_root_der(*b"root"), "trust them in your `ClientConfig`"),
        (
            new().tls_config(own()).crypto_provider(config().crypto_provider().as_ref().clone()),
            "make your `ClientConfig` with that provider",
        ),
        (new().tls_config(with_alpn), "`http1_only` limits that"),
    ] {
        let said = refused(builder);
        assert!(said.contains("contradict each other") && said.contains(says), "{said}");
    }
}

fn config() -> rustls::ClientConfig {
    crate::tls::Tls::default()
        .config(false)
        .map(|mut config| {
            config.alpn_protocols.clear();
            config
        })
        .unwrap()
}
