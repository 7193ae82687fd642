//! Tests of the builder's validation and its error texts.

use super::*;

fn build_error(builder: HyperTransportBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn rejects_invalid_settings_with_a_remedy() {
    let new = HyperTransportBuilder::default;
    let zero = Duration::ZERO;
    for (builder, expected) in [
        (new().connect_timeout(zero), "`connect_timeout` is zero"),
        (new().attempt_timeout(zero), "`attempt_timeout` is zero"),
        (new().pool_idle_timeout(zero), "`pool_max_idle_per_host(0)`"),
        (new().tcp_keepalive(zero), "`tcp_keepalive` is zero"),
        (new().read_timeout(zero), "`read_timeout` is zero"),
        (new().max_body_size(0), "`max_body_size` is zero"),
        (new().user_agent("a\r\nb"), "use a value like `my-app/1.0`"),
        (new().user_agent(""), "`user_agent` is empty"),
        (new().extra_root_der(*b"no certificate"), "extra root certificate 1 is invalid"),
        (new().extra_root_der(*b"-----BEGIN CERTIFICATE-----\n"), "PEM data, use `extra_roots_pem`"),
        (new().extra_roots_pem(""), "contains no certificate"),
        (new().extra_roots_pem("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"), "contains no"),
        (new().extra_roots_pem("-----BEGIN CERTIFICATE-----\nYQ==\n"), "not valid PEM"),
        (
            new().extra_roots_pem("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"),
            "not valid PEM",
        ),
        (
            new().extra_roots_pem("-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"),
            "extra root certificate 1 is invalid",
        ),
    ] {
        let error = build_error(builder);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn debug_omits_the_roots() {
    let builder = HyperTransportBuilder::default().extra_roots_pem("secret");
    assert!(!format!("{builder:?}").contains("secret"));
}

#[test]
fn rejects_contradictory_settings_with_a_remedy() {
    let new = HyperTransportBuilder::default;
    let mut with_alpn = config();
    with_alpn.alpn_protocols = vec![b"h2".to_vec()];
    let long = Duration::from_secs(31);
    for (builder, expected) in [
        (new().read_timeout(long), "`read_timeout` and `attempt_timeout`"),
        (new().only_extra_roots(), "with `extra_roots_pem` or `extra_root_der`"),
        (new().tls_config(config()).only_extra_roots(), "add the roots to your `ClientConfig`"),
        (new().tls_config(config()).extra_root_der(*b"root"), "add the roots to your `ClientConfig`"),
        (new().tls_config(config()).extra_roots_pem("root"), "add the roots to your `ClientConfig`"),
        (
            new().tls_config(config()).crypto_provider(config().crypto_provider().as_ref().clone()),
            "create your `ClientConfig` with that provider",
        ),
        (new().tls_config(with_alpn), "`http1_only` disables HTTP/2"),
    ] {
        let error = build_error(builder);
        assert!(error.contains("contradict each other") && error.contains(expected), "{error}");
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
