//! Checks any text as a query, a key or a base URL: it is refused with a reason, or yields a correct request.

use std::fmt::Debug;
use std::str::FromStr;

use bytes::Bytes;
use http::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tgscan_core::types::{
    ApiMethod, Balance, GroupQuery, Search, SimilarGroups, UserCheck, UserId, UserQuery, Username,
};
use tgscan_core::{Api, ApiKey, transport::is_loopback_host};

use crate::support::live;

/// Checks a text as each kind of query. Passes each resulting request to `sent`.
pub(crate) fn query(text: &str, sent: &mut dyn FnMut(Request<Bytes>)) {
    if let Some((name, wire)) = read::<Username>(text) {
        for pasted in [format!("@{wire}"), format!("https://t.me/{wire}/")] {
            assert_eq!(pasted.parse().as_ref(), Ok(&name), "{pasted}");
        }
        assert!(text.contains(name.as_str()), "{text}");
        assert!((4..=32).contains(&name.as_str().len()), "{text}");
    }
    if let Some((id, wire)) = read::<UserId>(text) {
        assert!(text.contains(&wire), "{text}");
        assert_eq!(UserId::new(id.as_i64()), Ok(id));
    }
    if let Some((query, wire)) = read::<UserQuery>(text) {
        sent(builds(&Search { query: query.clone() }, &wire));
        sent(builds(&UserCheck { query }, &wire));
    }
    if let Some((query, wire)) = read::<GroupQuery>(text) {
        assert!((1..=GroupQuery::MAX_USERNAMES).contains(&query.usernames().count()), "{text}");
        sent(builds(&SimilarGroups { query }, &wire));
    }
}

/// Parses a text both with `FromStr` and in its wire form. Checks that a valid text has the same value in its wire form,
/// parsed in either way, and that an invalid text is refused with a reason.
fn read<T>(text: &str) -> Option<(T, String)>
where
    T: FromStr + Serialize + DeserializeOwned + PartialEq + Debug,
    T::Err: std::fmt::Display,
{
    let quoted = serde_json::to_value(text).unwrap();
    let from_wire = serde_json::from_value::<T>(quoted.clone()).ok();
    let Ok(value) = text.parse::<T>().map_err(|error| assert!(!error.to_string().is_empty(), "{text}"))
    else {
        assert_eq!(from_wire, None, "valid only on the wire: {text}");
        return None;
    };
    let wire = serde_json::to_value(&value).unwrap();
    match from_wire {
        // Repeated groups are removed.
        Some(same) => assert!(same == value && (wire == quoted || text.contains(',')), "{text}"),
        None => assert_ne!(wire, quoted, "{text}"),
    }
    assert_eq!(&serde_json::from_value::<T>(wire.clone()).unwrap(), &value, "{text}");
    let wire = wire.as_str().expect("text").to_owned();
    assert_eq!(T::from_str(&wire).ok().as_ref(), Some(&value), "{text}");
    Some((value, wire))
}

fn builds<M: ApiMethod + PartialEq + Debug>(method: &M, query: &str) -> Request<Bytes> {
    let request = live().request(method);
    let fields: Vec<(String, String)> = serde_html_form::from_bytes(request.body()).unwrap();
    assert_eq!(fields, [("query".to_owned(), query.to_owned())]);
    assert_eq!(&serde_html_form::from_bytes::<M>(request.body()).unwrap(), method);
    assert!(!request.headers().contains_key("content-length"), "the HTTP client sets the length");
    assert!(request.body().iter().all(u8::is_ascii_graphic), "percent-encoded");
    request
}

/// Checks a text as an API key.
pub(crate) fn key(text: &str) {
    let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    for key in [ApiKey::live(text), ApiKey::test(text)] {
        assert_eq!(key.is_ok(), is_key, "{text}");
        if let Ok(key) = key {
            let request = Api::new(key).request(&Balance {});
            assert_eq!(request.headers()["api-key"].to_str().unwrap(), text);
        }
    }
}

/// Checks a text as a base URL.
pub(crate) fn base_url(text: &str) {
    let key = || ApiKey::live("key").unwrap();
    let strict = Api::with_base_url(text, key());
    let plain = Api::with_plain_http_base_url(text, key());
    if !strict.as_ref().is_err_and(|error| error.to_string().contains("plain `http`")) {
        assert_eq!(strict.is_ok(), plain.is_ok(), "{text}");
    }
    let Ok(api) = plain else { return };
    let uri = api.request(&Balance {}).uri().clone();
    // Unchanged after formatting and parsing, as transports do.
    assert_eq!(uri.to_string().parse::<http::Uri>().unwrap(), uri, "{text}");
    assert!(uri.path().starts_with('/') && uri.path().ends_with("/tgscan/v1/balance"), "{text}");
    assert!(uri.query().is_none(), "{text}");
    let authority = uri.authority().unwrap();
    let port = authority.port().map(|port| format!(":{}", port.as_str())).unwrap_or_default();
    assert_eq!(authority.as_str(), format!("{}{port}", authority.host()), "{text}");
    if uri.scheme_str() == Some("http") && strict.is_ok() {
        assert!(is_loopback_host(authority.host()), "{text}");
    }
}
