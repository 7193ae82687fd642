//! Which proxy, as the caller or the environment says.

use std::ffi::OsString;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tgscan_core::transport::is_loopback_host;

use super::Route;
use super::bypass::Bypass;
use super::url::Proxy;
use crate::BuildError;

/// What the builder was told.
#[derive(Clone, Default)]
pub(crate) struct Choice {
    /// Can hold credentials, so it is never printed.
    pub(crate) by_hand: Option<String>,
    pub(crate) from_environment: bool,
}

impl Choice {
    pub(crate) fn route(self, tcp: HttpConnector) -> Result<Route, BuildError> {
        Ok(Route::new(tcp, self.rules(|name| std::env::var_os(name))?))
    }

    fn rules(self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Rules, BuildError> {
        match self.by_hand {
            Some(_) if self.from_environment => Err(BuildError::ConflictingSettings {
                settings: "`proxy` and `proxy_from_environment`",
                remedy: "give the proxy by hand, or take it from the environment",
            }),
            Some(url) => Ok(Rules { for_all: Some(Proxy::read("proxy", &url)?), ..Rules::default() }),
            None if self.from_environment => environment(variable),
            None => Ok(Rules::default()),
        }
    }
}

fn environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Rules, BuildError> {
    // In lower case first, as curl does. An empty one counts as not set, which is how people switch one off.
    let read = |names: [&'static str; 2]| -> Result<Option<(&'static str, String)>, BuildError> {
        for name in names {
            match variable(name).map(OsString::into_string) {
                Some(Ok(value)) if value.trim().is_empty() => {}
                Some(Ok(value)) => return Ok(Some((name, value.trim().to_owned()))),
                Some(Err(_)) => return Err(BuildError::Proxy { setting: name, reason: "it is not text" }),
                None => {}
            }
        }
        Ok(None)
    };
    let proxy = |names| read(names)?.map(|(name, url)| Proxy::read(name, &url)).transpose();
    let bypass = match read(["no_proxy", "NO_PROXY"])? {
        Some((setting, list)) => {
            Bypass::read(&list).map_err(|reason| BuildError::NoProxy { setting, reason })?
        }
        None => Bypass::default(),
    };
    Ok(Rules {
        for_https: proxy(["https_proxy", "HTTPS_PROXY"])?,
        for_all: proxy(["all_proxy", "ALL_PROXY"])?,
        bypass,
        spares_loopback: true,
    })
}

/// Which requests go through which proxy.
#[derive(Default)]
pub(super) struct Rules {
    for_https: Option<Proxy>,
    for_all: Option<Proxy>,
    bypass: Bypass,
    spares_loopback: bool,
}

impl Rules {
    pub(super) fn proxy_for(&self, host: &Uri) -> Option<&Proxy> {
        let for_https = self.for_https.as_ref().filter(|_| host.scheme_str() == Some("https"));
        let proxy = for_https.or(self.for_all.as_ref())?;
        let is_spared = self.spares_loopback && host.host().is_some_and(is_loopback_host);
        (!is_spared && !self.bypass.contains(host)).then_some(proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_environment(variables: &[(&str, &str)]) -> Result<Rules, BuildError> {
        let choice = Choice { by_hand: None, from_environment: true };
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
    fn the_environment_is_read_as_curl_reads_it() {
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
    fn no_proxy_and_loopback_go_straight() {
        let with = |no: &'static str, url| proxy(&[("ALL_PROXY", "http://a:1"), ("NO_PROXY", no)], url);
        assert_eq!(with("", SERVICE).as_deref(), Some("a:1"));
        assert_eq!(with("example", SERVICE), None);
        assert_eq!(with("*", SERVICE), None);
        assert_eq!(with("pi.example", SERVICE).as_deref(), Some("a:1"));
        assert_eq!(with("192.0.2.0/24", "https://192.0.2.7"), None);
        let error = from_environment(&[("ALL_PROXY", "http://a:1"), ("no_proxy", "192.0.2.0/33")]);
        let said = error.err().unwrap().to_string();
        assert!(said.contains("`no_proxy`") && !said.contains("192"), "{said}");
        for loopback in ["http://127.0.0.1:80", "https://localhost", "https://[::1]:8443"] {
            assert_eq!(with("", loopback), None, "{loopback}");
        }
        let by_hand = Choice { by_hand: Some("http://a:1".into()), from_environment: false };
        let rules = by_hand.rules(|_| None).unwrap();
        assert!(rules.proxy_for(&Uri::from_static("http://127.0.0.1:80")).is_some());
    }

    #[test]
    fn what_cannot_be_used_is_an_error_and_never_quoted() {
        for (url, says) in [
            ("https://user:secret@proxy:1", "TLS to the proxy itself is not supported"),
            ("socks4://user:secret@proxy:1", "SOCKS4 is not supported"),
            ("ftp://user:secret@proxy:1", "not the URL of a proxy"),
            ("http://user:sec ret@proxy:1", "not the URL of a proxy"),
            ("http://", "not the URL of a proxy"),
        ] {
            let by_hand = Choice { by_hand: Some(url.into()), from_environment: false };
            for error in [by_hand.rules(|_| None), from_environment(&[("ALL_PROXY", url)])] {
                let error = error.err().unwrap();
                let shown = format!("{error} {error:?}");
                assert!(
                    shown.contains(says) && !shown.contains("ret") && !shown.contains("user:"),
                    "{shown}"
                );
            }
        }
    }
}
