//! Which proxy, as the caller or the environment says.

use std::ffi::OsString;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tgscan_core::is_loopback_host;

use super::Route;
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
            Some(_) if self.from_environment => Err(BuildError::Contradiction {
                settings: "`proxy` and `proxy_from_environment`",
                remedy: "give the proxy by hand, or take it from the environment",
            }),
            Some(url) => {
                check("proxy", &url)?;
                Ok(Rules { matcher: Some(Matcher::builder().all(url).build()), spares_loopback: false })
            }
            None if self.from_environment => environment(variable),
            None => Ok(Rules { matcher: None, spares_loopback: true }),
        }
    }
}

fn environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Rules, BuildError> {
    // In lower case first, as curl does. An empty one counts as not set, which is how people switch one off.
    let read = |names: [&'static str; 2]| -> Result<(&'static str, String), BuildError> {
        for name in names {
            match variable(name).map(OsString::into_string) {
                Some(Ok(value)) if value.trim().is_empty() => {}
                Some(Ok(value)) => return Ok((name, value.trim().to_owned())),
                Some(Err(_)) => return Err(BuildError::Proxy { setting: name, reason: "it is not text" }),
                None => {}
            }
        }
        Ok((names[0], String::new()))
    };
    let (https, all) = (read(["https_proxy", "HTTPS_PROXY"])?, read(["all_proxy", "ALL_PROXY"])?);
    let (_, no) = read(["no_proxy", "NO_PROXY"])?;
    for (name, value) in [&https, &all] {
        if !value.is_empty() {
            check(name, value)?;
        }
    }
    let matcher = Matcher::builder().https(https.1).all(all.1).no(no).build();
    Ok(Rules { matcher: Some(matcher), spares_loopback: true })
}

/// Refuses what hyper-util would pass over in silence, or could not speak. The text itself is not quoted: it can hold a
/// password.
fn check(setting: &'static str, url: &str) -> Result<(), BuildError> {
    let any = Uri::from_static("https://host.example");
    let refused = |reason| Err(BuildError::Proxy { setting, reason });
    let Some(proxy) = Matcher::builder().all(url).build().intercept(&any) else {
        return refused("it is not the URL of a proxy");
    };
    match proxy.uri().scheme_str() {
        Some("http") => Ok(()),
        Some("socks5" | "socks5h") => match proxy.raw_auth() {
            // A length is one byte there (RFC 1929, 2).
            Some((user, password)) if user.len() > 255 || password.len() > 255 => {
                refused("its user name or password is longer than the 255 bytes of SOCKS5")
            }
            _ => Ok(()),
        },
        Some("https") => refused("TLS to the proxy itself is not supported"),
        Some("socks4" | "socks4a") => refused("SOCKS4 is not supported"),
        _ => refused("its scheme is not supported"),
    }
}

/// Which requests go through which proxy.
pub(super) struct Rules {
    matcher: Option<Matcher>,
    spares_loopback: bool,
}

impl Rules {
    pub(super) fn proxy_for(&self, host: &Uri) -> Option<Intercept> {
        if self.spares_loopback && host.host().is_some_and(is_loopback_host) {
            return None;
        }
        self.matcher.as_ref()?.intercept(host)
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
        rules.proxy_for(&Uri::from_static(url)).map(|proxy| proxy.uri().to_string())
    }

    const SERVICE: &str = "https://api.example";

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let via = |variables: &[(&str, &str)]| proxy(variables, SERVICE);
        assert_eq!(via(&[]), None);
        assert_eq!(via(&[("HTTPS_PROXY", "http://a:1")]).as_deref(), Some("http://a:1/"));
        assert_eq!(via(&[("https_proxy", "a:1")]).as_deref(), Some("http://a:1/"));
        assert_eq!(
            via(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:1")]).as_deref(),
            Some("http://b:1/")
        );
        assert_eq!(via(&[("ALL_PROXY", "socks5h://a:1")]).as_deref(), Some("socks5h://a:1/"));
        assert_eq!(
            via(&[("all_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:1")]).as_deref(),
            Some("http://b:1/")
        );
        assert_eq!(via(&[("HTTPS_PROXY", ""), ("https_proxy", " ")]), None);
        assert_eq!(via(&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://a:1")]), None);
    }

    #[test]
    fn no_proxy_and_loopback_go_straight() {
        let with = |no: &'static str, url| proxy(&[("ALL_PROXY", "http://a:1"), ("NO_PROXY", no)], url);
        assert_eq!(with("", SERVICE).as_deref(), Some("http://a:1/"));
        assert_eq!(with("example", SERVICE), None);
        assert_eq!(with("*", SERVICE), None);
        assert_eq!(with("pi.example", SERVICE).as_deref(), Some("http://a:1/"));
        assert_eq!(with("192.0.2.0/24", "https://192.0.2.7"), None);
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
