//! Selects the proxy for a request, from the builder's setting or from the environment.
//!
//! The environment is read like curl reads it, `NO_PROXY` included.

use std::ffi::OsString;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tgscan_core::transport::is_loopback_host;

use super::url::{Proxy, invalid_proxy};
use super::{Route, port, unbracketed};
use crate::BuildError;

/// The proxy settings of the builder.
#[derive(Clone, Default)]
pub(crate) struct ProxySettings {
    /// The URL, which can contain credentials, so it is never printed.
    pub(crate) explicit: Option<String>,
    pub(crate) from_environment: bool,
}

impl ProxySettings {
    pub(crate) fn route(self, tcp: HttpConnector) -> Result<Route, BuildError> {
        let rules = Arc::new(self.rules(|name| std::env::var_os(name))?);
        Ok(Route { tcp, rules })
    }

    fn rules(self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Rules, BuildError> {
        match self.explicit {
            Some(_) if self.from_environment => {
                Err(BuildError::conflict("`proxy` and `proxy_from_environment`", "use one of them"))
            }
            Some(url) => Ok(Rules { for_all: Some(Proxy::read("proxy", &url)?), ..Rules::default() }),
            None if self.from_environment => environment(variable),
            None => Ok(Rules::default()),
        }
    }
}

fn environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Rules, BuildError> {
    // Lower case first, as curl does. An empty variable counts as unset, which is a usual way to disable one.
    let read = |names: [&'static str; 2]| -> Result<Option<(&'static str, String)>, BuildError> {
        for name in names {
            match variable(name).map(OsString::into_string) {
                Some(Ok(value)) if value.trim().is_empty() => {}
                Some(Ok(value)) => return Ok(Some((name, value.trim().to_owned()))),
                Some(Err(_)) => return Err(invalid_proxy(name, "it is not text")),
                None => {}
            }
        }
        Ok(None)
    };
    let proxy = |names| read(names)?.map(|(name, url)| Proxy::read(name, &url)).transpose();
    let bypass = match read(["no_proxy", "NO_PROXY"])? {
        Some((setting, list)) => {
            bypass(&list).map_err(|fault| {
                BuildError::new(format!(
                    "the list of hosts in `{setting}` is invalid: {fault}; use hosts, addresses and networks like \
                     `internal.example, 10.0.0.0/8, [::1]:8443`"
                ))
            })?
        }
        None => Vec::new(),
    };
    Ok(Rules {
        for_https: proxy(["https_proxy", "HTTPS_PROXY"])?,
        for_all: proxy(["all_proxy", "ALL_PROXY"])?,
        bypass,
        bypasses_loopback: true,
    })
}

/// The proxy for each request.
#[derive(Default)]
pub(super) struct Rules {
    for_https: Option<Proxy>,
    for_all: Option<Proxy>,
    /// The hosts to reach without a proxy.
    bypass: Vec<Rule>,
    bypasses_loopback: bool,
}

impl Rules {
    pub(super) fn proxy_for(&self, host: &Uri) -> Option<&Proxy> {
        let for_https = self.for_https.as_ref().filter(|_| host.scheme_str() == Some("https"));
        let proxy = for_https.or(self.for_all.as_ref())?;
        let is_bypassed = self.bypasses_loopback && host.host().is_some_and(is_loopback_host);
        (!is_bypassed && !contains(&self.bypass, host)).then_some(proxy)
    }
}

/// An entry of `NO_PROXY`.
struct Rule {
    hosts: Hosts,
    /// `None` for any port.
    port: Option<u16>,
}

enum Hosts {
    All,
    /// This host and its subdomains.
    Domain(String),
    /// Addresses with this prefix.
    Network(IpAddr, u8),
}

/// Parses a list with commas or white space between its entries.
fn bypass(list: &str) -> Result<Vec<Rule>, &'static str> {
    let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    entries.map(Rule::read).collect()
}

fn contains(rules: &[Rule], uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let port = port(uri);
    let host = name(host);
    let address = unbracketed(&host).parse::<IpAddr>().ok();
    rules.iter().any(|rule| {
        rule.port.is_none_or(|of_rule| of_rule == port)
            && match (&rule.hosts, address) {
                (Hosts::All, _) => true,
                (Hosts::Network(network, bits), Some(address)) => is_in(address, *network, *bits),
                (Hosts::Domain(of_rule), None) => {
                    let subdomain = host.strip_suffix(of_rule.as_str());
                    subdomain.is_some_and(|name| name.is_empty() || name.ends_with('.'))
                }
                (Hosts::Network(..), None) | (Hosts::Domain(_), Some(_)) => false,
            }
    })
}

/// Normalizes a name: lower case, without trailing dots.
fn name(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

impl Rule {
    fn read(entry: &str) -> Result<Self, &'static str> {
        if entry == "*" {
            return Ok(Self { hosts: Hosts::All, port: None });
        }
        // Before the port, because an IPv6 address contains colons.
        if let Some(hosts) = network(entry)? {
            return Ok(Self { hosts, port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().map_err(|_| "an entry has an invalid port")?;
                (host, Some(port))
            }
            None => (entry, None),
        };
        if let Some(hosts) = network(host)? {
            return Ok(Self { hosts, port });
        }
        // `.example` and `*.example` mean `example`.
        let bare = host.strip_prefix('*').unwrap_or(host);
        let bare = name(bare.strip_prefix('.').unwrap_or(bare));
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bare.is_empty() || !bare.chars().all(is_name) {
            return Err("an entry is neither a host, nor an address, nor a network");
        }
        Ok(Self { hosts: Hosts::Domain(bare), port })
    }
}

/// Parses an address or a network in CIDR form, with or without brackets.
fn network(entry: &str) -> Result<Option<Hosts>, &'static str> {
    let (address, bits) =
        entry.split_once('/').map_or((entry, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = unbracketed(address).parse::<IpAddr>() else {
        return if bits.is_some() { Err("an entry is not a valid network") } else { Ok(None) };
    };
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => {
            bits.parse().ok().filter(|bits| *bits <= all).ok_or("a network has an invalid prefix length")?
        }
        None => all,
    };
    Ok(Some(Hosts::Network(address, bits)))
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let agree = |difference: u128, all: u8| difference.checked_shr(u32::from(all - bits)).unwrap_or(0) == 0;
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => agree(u128::from(a.to_bits() ^ b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => agree(a.to_bits() ^ b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_environment(variables: &[(&str, &str)]) -> Result<Rules, BuildError> {
        let choice = ProxySettings { explicit: None, from_environment: true };
        choice.rules(|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn proxy(variables: &[(&str, &str)], url: &'static str) -> Option<String> {
        let rules = from_environment(variables).unwrap();
        rules.proxy_for(&Uri::from_static(url)).map(|proxy| proxy.address().to_owned())
    }

    const SERVICE: &str = "https://api.example";

    #[test]
    fn reads_the_environment_like_curl() {
        let via = |variables: &[(&str, &str)]| proxy(variables, SERVICE);
        assert_eq!(via(&[]), None);
        assert_eq!(via(&[("HTTPS_PROXY", "http://a:1")]).as_deref(), Some("a:1"));
        assert_eq!(via(&[("https_proxy", "a:1")]).as_deref(), Some("a:1"));
        assert_eq!(
            via(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:1")]).as_deref(),
            Some("b:1")
        );
        assert_eq!(via(&[("ALL_PROXY", "socks5h://a:1")]).as_deref(), Some("a:1"));
        assert_eq!(
            via(&[("all_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:1")]).as_deref(),
            Some("b:1")
        );
        assert_eq!(via(&[("HTTPS_PROXY", ""), ("https_proxy", " ")]), None);
        assert_eq!(via(&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://a:1")]), None);
    }

    #[test]
    fn no_proxy_and_loopback_connect_directly() {
        let with = |no: &'static str, url| proxy(&[("ALL_PROXY", "http://a:1"), ("NO_PROXY", no)], url);
        assert_eq!(with("", SERVICE).as_deref(), Some("a:1"));
        assert_eq!(with("example", SERVICE), None);
        assert_eq!(with("*", SERVICE), None);
        assert_eq!(with("pi.example", SERVICE).as_deref(), Some("a:1"));
        assert_eq!(with("192.0.2.0/24", "https://192.0.2.7"), None);
        let error = from_environment(&[("ALL_PROXY", "http://a:1"), ("no_proxy", "192.0.2.0/33")]);
        let text = error.err().unwrap().to_string();
        assert!(text.contains("`no_proxy`") && !text.contains("192"), "{text}");
        for loopback in ["http://127.0.0.1:80", "https://localhost", "https://[::1]:8443"] {
            assert_eq!(with("", loopback), None, "{loopback}");
        }
        let explicit = ProxySettings { explicit: Some("http://a:1".into()), from_environment: false };
        let rules = explicit.rules(|_| None).unwrap();
        assert!(rules.proxy_for(&Uri::from_static("http://127.0.0.1:80")).is_some());
    }

    fn is_bypassed(list: &str, url: &'static str) -> bool {
        contains(&bypass(list).ok().unwrap(), &Uri::from_static(url))
    }

    #[test]
    fn matches_like_curl() {
        for (list, url) in [
            ("*", "https://any.example"),
            ("example", "https://example"),
            ("Example.", "https://api.eXample"),
            ("example", "https://api.example."),
            (".example", "https://example"),
            ("*.example", "https://api.example"),
            (" other , example\tlast", "https://example"),
            ("other example", "https://example"),
            ("api.example:8443", "https://api.example:8443"),
            ("api.example:443", "https://api.example"),
            ("192.0.2.7", "https://192.0.2.7"),
            ("192.0.2.0/24", "https://192.0.2.7"),
            ("0.0.0.0/0", "https://192.0.2.7"),
            ("192.0.2.7:8443", "https://192.0.2.7:8443"),
            ("2001:db8::1", "https://[2001:db8::1]"),
            ("[2001:db8::1]", "https://[2001:db8::1]"),
            ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
            ("2001:db8::/32", "https://[2001:db8:7::1]"),
            ("[2001:db8::]/32", "https://[2001:db8:7::1]"),
            ("::/0", "https://[2001:db8:7::1]"),
        ] {
            assert!(is_bypassed(list, url), "{list} {url}");
        }
        for (list, url) in [
            ("", "https://example"),
            (",, ,", "https://example"),
            ("pi.example", "https://api.example"),
            ("api.example", "https://example"),
            ("api.example:8443", "https://api.example"),
            ("192.0.2.0/24", "https://192.0.3.7"),
            ("2.7", "https://192.0.2.7"),
            ("::/0", "https://192.0.2.7"),
            ("2001:db8::/32", "https://[2001:db9::1]"),
        ] {
            assert!(!is_bypassed(list, url), "{list} {url}");
        }
    }

    #[test]
    fn rejects_invalid_entries() {
        for list in
            ["192.0.2.0/33", "host/8", "host:port", "host:65536", "a*b", "http://host", "[::1", ".", "::1/x"]
        {
            assert!(bypass(list).is_err(), "{list}");
        }
    }
}
