//! The base URL of requests: checked once, so that building a request cannot fail.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The documented base URL of the service.
pub(crate) const SERVICE: &str = "https://api.tgdev.io";

/// A checked base URL: scheme, host, and an optional path prefix.
#[derive(Clone)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Has no trailing slash; empty for the root.
    prefix: String,
}

impl BaseUrl {
    pub(crate) fn service() -> Self {
        Self {
            scheme: Scheme::HTTPS,
            authority: Authority::from_static(SERVICE.split_at("https://".len()).1),
            prefix: String::new(),
        }
    }

    pub(crate) fn parse(text: &str, allow_plain_http: bool) -> Result<Self, InvalidBaseUrl> {
        use InvalidBaseUrl as Invalid;
        // `http::Uri` drops a fragment silently.
        if text.contains('#') {
            return Err(Invalid::HAS_QUERY);
        }
        let uri: Uri = text.parse().map_err(|_| Invalid::UNREADABLE)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(Invalid::RELATIVE);
        };
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(Invalid::SCHEME);
        }
        if authority.as_str().contains('@') {
            return Err(Invalid::USER_INFO);
        }
        if !is_host_and_port(&authority) {
            return Err(Invalid::UNREADABLE);
        }
        if scheme == Scheme::HTTP && !allow_plain_http && !is_loopback_host(authority.host()) {
            return Err(Invalid::PLAIN_HTTP);
        }
        let path = parts.path_and_query.as_ref();
        if path.and_then(PathAndQuery::query).is_some() {
            return Err(Invalid::HAS_QUERY);
        }
        let prefix = path.map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        // `http::Uri` is limited to 65,534 bytes, of which the methods' paths need few.
        if prefix.len() > 4096 {
            return Err(Invalid::TOO_LONG);
        }
        Ok(Self { scheme, authority, prefix })
    }

    /// Returns host and port.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// Returns the URI of a path below this base.
    pub(crate) fn join(&self, path: PathAndQuery) -> Uri {
        let path = if self.prefix.is_empty() {
            path
        } else {
            PathAndQuery::try_from(format!("{}{path}", self.prefix))
                .expect("the concatenation of two valid paths is valid")
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).expect("scheme, authority and path are set")
    }
}

/// Returns whether `authority` is exactly a host, with or without a port.
///
/// `http::Uri` also accepts an empty port, a port above 65,535, and `[::1]elsewhere:80` as the host `[::1]`.
fn is_host_and_port(authority: &Authority) -> bool {
    let (host, rest) = authority.as_str().split_at(authority.host().len());
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains(['[', ']']),
    };
    is_host && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path may contain a gateway's token.
        let path = if self.prefix.is_empty() { "" } else { "/…" };
        write!(f, "{}://{}{path}", self.scheme, self.authority)
    }
}

/// Returns whether a URI's host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
///
/// Plain `http` is allowed only to these hosts, because then the API key does not leave the machine. Transports apply
/// the same rule. `localhost` needs no lookup, because resolvers must resolve it to loopback (RFC 6761, 6.3).
pub fn is_loopback_host(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An invalid base URL. The text states the problem and its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBaseUrl(&'static str);

impl InvalidBaseUrl {
    const UNREADABLE: Self = Self("the base URL is invalid; use one like `https://api.tgdev.io`");
    const RELATIVE: Self =
        Self("the base URL has no scheme or host; use an absolute one like `https://api.tgdev.io`");
    const SCHEME: Self = Self("the base URL's scheme is not supported; use one that starts with `https://`");
    const PLAIN_HTTP: Self = Self(
        "the base URL is plain `http` to another host, which exposes the API key on the network; \
         use `https`, or allow it explicitly with `Api::with_plain_http_base_url`",
    );
    const USER_INFO: Self =
        Self("the base URL contains a user name or password; remove it; the API key is sent in a header");
    const HAS_QUERY: Self = Self("the base URL has a query string or fragment; remove it");
    const TOO_LONG: Self = Self("the base URL's path is longer than 4096 bytes; shorten it");
}

impl std::error::Error for InvalidBaseUrl {}

impl fmt::Display for InvalidBaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_paths_below_any_prefix() {
        for (base, uri) in [
            ("https://api.tgdev.io", "https://api.tgdev.io/v"),
            ("https://api.tgdev.io/", "https://api.tgdev.io/v"),
            ("https://gateway.example:8443/tgscan/", "https://gateway.example:8443/tgscan/v"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80/v"),
            ("http://LOCALHOST:8080", "http://LOCALHOST:8080/v"),
            ("http://[::1]:8080", "http://[::1]:8080/v"),
        ] {
            let base = BaseUrl::parse(base, false).unwrap();
            assert_eq!(base.join(PathAndQuery::from_static("/v")).to_string(), uri);
        }
        assert_eq!(
            BaseUrl::service().join(PathAndQuery::from_static("/v")).to_string(),
            "https://api.tgdev.io/v"
        );
    }

    #[test]
    fn refuses_invalid_base_urls() {
        use InvalidBaseUrl as Invalid;
        for (wrong, why) in [
            ("", Invalid::UNREADABLE),
            ("https://", Invalid::UNREADABLE),
            ("https://a b", Invalid::UNREADABLE),
            ("https://host:", Invalid::UNREADABLE),
            ("https://host:99999", Invalid::UNREADABLE),
            ("https://host:+80", Invalid::UNREADABLE),
            ("http://[::1]elsewhere:80", Invalid::UNREADABLE),
            ("https://host[::1]:80", Invalid::UNREADABLE),
            ("http://[127.0.0.1]:80", Invalid::UNREADABLE),
            ("https://a[b]", Invalid::UNREADABLE),
            ("https://[]", Invalid::UNREADABLE),
            ("https://:80", Invalid::UNREADABLE),
            ("api.tgdev.io", Invalid::RELATIVE),
            ("/tgscan", Invalid::RELATIVE),
            ("ftp://api.tgdev.io", Invalid::SCHEME),
            ("http://api.tgdev.io", Invalid::PLAIN_HTTP),
            ("http://127.0.0.1.example.com", Invalid::PLAIN_HTTP),
            ("http://localhost.example.com", Invalid::PLAIN_HTTP),
            ("https://user:password@api.tgdev.io", Invalid::USER_INFO),
            ("https://api.tgdev.io/?a=1", Invalid::HAS_QUERY),
            ("https://api.tgdev.io/#a", Invalid::HAS_QUERY),
        ] {
            assert_eq!(BaseUrl::parse(wrong, false).expect_err(wrong), why, "{wrong}");
        }
        let long = |bytes: usize| format!("https://api.tgdev.io/{}", "a".repeat(bytes - 1));
        assert_eq!(BaseUrl::parse(&long(4097), false).unwrap_err(), Invalid::TOO_LONG);
        BaseUrl::parse(&long(4096), false).unwrap();
        BaseUrl::parse("http://api.tgdev.io", true).unwrap();
    }

    #[test]
    fn debug_hides_the_path() {
        assert_eq!(format!("{:?}", BaseUrl::parse("https://h:1/b/", false)), "Ok(https://h:1/…)");
    }
}
