//! `NO_PROXY`: the hosts that are reached straight, read as curl reads them.

use std::net::IpAddr;

use http::Uri;

/// Which hosts go around the proxy.
#[derive(Default)]
pub(super) struct Bypass {
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq)]
struct Rule {
    hosts: Hosts,
    /// Any, if it names none.
    port: Option<u16>,
}

#[derive(Debug, PartialEq)]
enum Hosts {
    All,
    /// The host of this name, and those below it.
    Below(String),
    /// Addresses whose first bits are these.
    Network(IpAddr, u8),
}

impl Bypass {
    /// Reads a list whose entries are separated by commas or white space.
    pub(super) fn read(list: &str) -> Result<Self, &'static str> {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        Ok(Self { rules: entries.map(Rule::read).collect::<Result<_, _>>()? })
    }

    pub(super) fn contains(&self, uri: &Uri) -> bool {
        let Some(host) = uri.host() else { return false };
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let host = name(host);
        let address = unbracketed(&host).parse::<IpAddr>().ok();
        self.rules.iter().any(|rule| {
            rule.port.is_none_or(|of_rule| of_rule == port)
                && match (&rule.hosts, address) {
                    (Hosts::All, _) => true,
                    (Hosts::Network(network, bits), Some(address)) => is_in(address, *network, *bits),
                    (Hosts::Below(of_rule), None) => {
                        let above = host.strip_suffix(of_rule.as_str());
                        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
                    }
                    (Hosts::Network(..), None) | (Hosts::Below(_), Some(_)) => false,
                }
        })
    }
}

/// In lower case and without the dots at the end, which change nothing.
fn name(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Rule {
    fn read(entry: &str) -> Result<Self, &'static str> {
        if entry == "*" {
            return Ok(Self { hosts: Hosts::All, port: None });
        }
        // An address alone, whose colons are its own, goes before a host with a port.
        if let Some(hosts) = network(entry)? {
            return Ok(Self { hosts, port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().map_err(|_| "one of its entries has a port that is none")?;
                (host, Some(port))
            }
            None => (entry, None),
        };
        if let Some(hosts) = network(host)? {
            return Ok(Self { hosts, port });
        }
        // `.example` and `*.example` are other ways to write `example`.
        let bare = host.strip_prefix('*').unwrap_or(host);
        let bare = name(bare.strip_prefix('.').unwrap_or(bare));
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bare.is_empty() || !bare.chars().all(is_name) {
            return Err("one of its entries is neither a host, nor an address, nor a network");
        }
        Ok(Self { hosts: Hosts::Below(bare), port })
    }
}

/// An address, or a network in CIDR form; with brackets or without.
fn network(entry: &str) -> Result<Option<Hosts>, &'static str> {
    let (address, bits) =
        entry.split_once('/').map_or((entry, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = unbracketed(address).parse::<IpAddr>() else {
        return if bits.is_some() { Err("one of its entries is no network") } else { Ok(None) };
    };
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => {
            bits.parse().ok().filter(|bits| *bits <= all).ok_or("one of its networks has no length")?
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

    fn contains(list: &str, url: &'static str) -> bool {
        Bypass::read(list).unwrap().contains(&Uri::from_static(url))
    }

    #[test]
    fn matches_as_curl_does() {
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
            assert!(contains(list, url), "{list} {url}");
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
            assert!(!contains(list, url), "{list} {url}");
        }
    }

    #[test]
    fn tells_what_cannot_be_read() {
        for list in
            ["192.0.2.0/33", "host/8", "host:port", "host:65536", "a*b", "http://host", "[::1", ".", "::1/x"]
        {
            assert!(Bypass::read(list).is_err(), "{list}");
        }
    }
}
