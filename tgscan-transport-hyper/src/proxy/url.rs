//! Parses the URL of a proxy.
//!
//! Errors never quote the URL, because it can contain a password. Ambiguous URLs are rejected, because otherwise a part of a
//! password could be resolved as a host.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::BuildError;

/// A parsed proxy URL.
pub(super) struct Proxy {
    pub(super) protocol: Protocol,
    /// `http://host:port/`, for the TCP connector.
    pub(super) uri: Uri,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Socks5,
}

/// The credentials of a proxy, percent-decoded.
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

const NOT_A_URL: &str = "it is not a valid proxy URL";
const UNESCAPED: &str = "it is not a valid proxy URL; in the user name and password, write `@ : / # ? %` and spaces as \
                         `%40 %3A %2F %23 %3F %25 %20`";
const INVALID_PORT: &str = "its port must be 1 to 65535";

impl Proxy {
    /// Parses the URL of a setting.
    pub(super) fn read(setting: &'static str, url: &str) -> Result<Self, BuildError> {
        Self::parse(url).map_err(|fault| invalid_proxy(setting, fault))
    }

    fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (protocol, usual_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Protocol::Http, 80),
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            "https" => return Err("TLS to the proxy itself is not supported"),
            "socks4" | "socks4a" => return Err("SOCKS4 is not supported"),
            _ => return Err(UNESCAPED),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if !matches!(behind, "" | "/") {
            return Err(if behind.contains('@') {
                UNESCAPED
            } else {
                "it has a path, a query or a fragment"
            });
        }
        let (credentials, address) = match authority.split_once('@') {
            Some((_, address)) if address.contains('@') => return Err(UNESCAPED),
            Some((credentials, address)) => (Some(Credentials::parse(credentials)?), address),
            None => (None, authority),
        };
        if protocol == Protocol::Socks5 && credentials.as_ref().is_some_and(Credentials::is_too_long) {
            return Err("its user name or password is longer than the 255 bytes of SOCKS5");
        }
        let (host, port) = host_and_port(address)?;
        let port = match port {
            Some(port) => port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(INVALID_PORT)?,
            None => usual_port,
        };
        let authority = Authority::try_from(format!("{host}:{port}")).map_err(|_| NOT_A_URL)?;
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority);
        let uri = uri.path_and_query(PathAndQuery::from_static("/")).build().map_err(|_| NOT_A_URL)?;
        Ok(Self { protocol, uri, credentials })
    }

    /// Returns the host and port.
    pub(super) fn address(&self) -> &str {
        self.uri.authority().map_or("", Authority::as_str)
    }
}

/// Reports an invalid URL in a setting without quoting it.
pub(super) fn invalid_proxy(setting: &str, fault: &str) -> BuildError {
    BuildError::new(format!(
        "the proxy in `{setting}` cannot be used: {fault}; use a URL like `http://proxy.example:3128` or \
         `socks5h://127.0.0.1:9050`"
    ))
}

/// Splits an address into a host, in brackets if it is an IPv6 address, and the text of its port.
fn host_and_port(address: &str) -> Result<(&str, Option<&str>), &'static str> {
    let end = match address.strip_prefix('[') {
        Some(inner) => inner.find(']').ok_or(NOT_A_URL)? + 2,
        None => address.find(':').unwrap_or(address.len()),
    };
    let (host, port) = address.split_at(end);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    match port.strip_prefix(':') {
        _ if !is_host => Err(NOT_A_URL),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, Some(port))),
        Some(_) => Err(INVALID_PORT),
        None if port.is_empty() => Ok((host, None)),
        None => Err(NOT_A_URL),
    }
}

impl Credentials {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(UNESCAPED);
        }
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { user: decoded(user)?, password: decoded(password)? })
    }

    /// Returns whether a length exceeds the one byte of SOCKS5 (RFC 1929, 2).
    fn is_too_long(&self) -> bool {
        self.user.len() > 255 || self.password.len() > 255
    }

    /// Encodes the credentials for HTTP's `Basic` scheme (RFC 7617).
    pub(super) fn basic(&self) -> String {
        BASE64_STANDARD.encode([&self.user[..], b":", &self.password[..]].concat())
    }

    /// Returns whether a string contains the password, plain or encoded.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let shows = |secret: &[u8]| {
            !secret.is_empty() && text.as_bytes().windows(secret.len()).any(|window| window == secret)
        };
        shows(&self.password) || shows(self.basic().as_bytes())
    }
}

/// Decodes percent-encoding.
fn decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(UNESCAPED) };
            u8::try_from(16 * high + low).map_err(|_| UNESCAPED)?
        } else {
            byte
        });
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_scheme_address_and_credentials() {
        for (url, protocol, address, credentials) in [
            ("proxy:3128", Protocol::Http, "proxy:3128", None),
            ("HTTP://Proxy/", Protocol::Http, "Proxy:80", None),
            ("socks5h://[::1]", Protocol::Socks5, "[::1]:1080", None),
            ("socks5://10.0.0.1:65535", Protocol::Socks5, "10.0.0.1:65535", None),
            ("user@proxy:1", Protocol::Http, "proxy:1", Some("user:")),
            (
                "http://us%65r:p%40%3a%2F%23%3F%25:w@proxy:1",
                Protocol::Http,
                "proxy:1",
                Some("user:p@:/#?%:w"),
            ),
        ] {
            let proxy = Proxy::parse(url).unwrap_or_else(|reason| panic!("{url}: {reason}"));
            assert_eq!((proxy.protocol, proxy.address()), (protocol, address), "{url}");
            let read = proxy.credentials.map(|it| [&it.user[..], b":", &it.password[..]].concat());
            assert_eq!(read.as_deref(), credentials.map(str::as_bytes), "{url}");
        }
    }

    #[test]
    fn names_the_proxies_that_are_not_supported() {
        for (url, fault) in [
            ("https://user:secret@proxy:1", "TLS to the proxy itself is not supported"),
            ("socks4://user:secret@proxy:1", "SOCKS4 is not supported"),
            ("ftp://user:secret@proxy:1", UNESCAPED),
        ] {
            let error = Proxy::read("proxy", url).err().unwrap().to_string();
            assert!(error.contains(fault) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn rejects_invalid_and_ambiguous_urls() {
        for url in [
            "http://user:se@cret@proxy:1",
            "http://user:se/cret@proxy:1",
            "http://user:se#cret@proxy:1",
            "http://user:se?cret@proxy:1",
            "http://user:12/cret@proxy:1",
            "http://user:se%cret@proxy:1",
            "http://user:se cret@proxy:1",
            "http://user:se\ncret@proxy:1",
            "http://proxy:port",
            "http://proxy:",
            "http://proxy:0",
            "http://proxy:65536",
            "http://proxy:-1",
            "http://proxy:+1",
            "http://proxy:1:2",
            "http://proxy/path",
            "http://proxy?query",
            "http://[::1",
            "http://[::1]x",
            "http://[proxy]:1",
            "http://::1",
            "http://pr oxy",
            "http://",
            "http:proxy",
            "",
        ] {
            let error = Proxy::read("ALL_PROXY", url).err().unwrap();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("`ALL_PROXY`"), "{shown}");
            assert!(!shown.contains("cret") && !shown.contains("user:se"), "{url}: {shown}");
        }
    }
}
