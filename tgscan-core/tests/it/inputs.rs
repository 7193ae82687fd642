//! Any text as a key, a base URL or a query: refused with a reason, or a request can be built from it.

use std::str::FromStr;

use proptest::prelude::*;
use proptest::string::string_regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tgscan_core::types::{
    ApiMethod, Balance, GroupQuery, Search, SimilarGroups, UserCheck, UserId, UserQuery, Username,
};
use tgscan_core::{Api, ApiKey, InvalidBaseUrl, is_loopback_host};

use crate::support::{live, runs};

/// Any text, with a leaning to what is nearly right.
fn text() -> impl Strategy<Value = String> {
    let near = |pattern| string_regex(pattern).unwrap();
    prop_oneof![
        any::<String>(),
        near("[@+-]?[a-zA-Z0-9_]{0,34}"),
        near("[+-]?[0-9]{0,20}"),
        near("(https?://)?(t|T)(elegram)?\\.me/[a-z0-9_/?+]{0,8}"),
        near("([@]?[a-z0-9_]{1,3},){0,11}[a-z]"),
        near("[ -~]{0,40}"),
    ]
}

fn url() -> impl Strategy<Value = String> {
    let near = |pattern| string_regex(pattern).unwrap();
    prop_oneof![
        any::<String>(),
        near("[a-zA-Z]{1,6}:/{0,3}[ -~]{0,20}"),
        near("(https|http|HTTP)://[a-z0-9.:@%\\[\\]-]{1,16}(/[ -~]{0,10})?"),
        near("https?://(localhost|127\\.0\\.0\\.1|\\[::1\\])[a-z0-9.:@\\[\\]/?#-]{0,12}"),
        near("https?://[a-z]{1,8}\\.example(:[0-9]{0,6})?(/[^?#]{0,10})?"),
    ]
}

/// The wire form reads back as the same value, and so does a request's form.
fn round_trip<T>(value: &T) -> String
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let wire = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(wire.clone()).unwrap(), value);
    wire.as_str().expect("text").to_owned()
}

fn builds<M: ApiMethod + PartialEq + std::fmt::Debug>(method: &M, query: &str) {
    let request = live().request(method);
    let fields: Vec<(String, String)> = serde_html_form::from_bytes(request.body()).unwrap();
    assert_eq!(fields, [("query".to_owned(), query.to_owned())]);
    assert_eq!(&serde_html_form::from_bytes::<M>(request.body()).unwrap(), method);
    assert_eq!(request.headers()["content-length"], request.body().len().to_string());
    assert!(request.body().iter().all(u8::is_ascii_graphic), "percent-encoded");
}

/// What goes over the wire can be typed in too, and is the same value.
fn reads_its_own_wire_form<T: FromStr + PartialEq + std::fmt::Debug>(value: &T, wire: &str) {
    assert_eq!(T::from_str(wire).ok().as_ref(), Some(value));
}

proptest! {
    #![proptest_config(runs(4000))]

    #[test]
    fn any_text_is_a_query_or_is_refused(text in text()) {
        if let Ok(name) = text.parse::<Username>() {
            let wire = round_trip(&name);
            for pasted in [wire.clone(), format!("@{wire}"), format!("https://t.me/{wire}/")] {
                reads_its_own_wire_form(&name, &pasted);
            }
            prop_assert!(text.trim_end_matches('/').ends_with(name.as_str()));
        }
        if let Ok(id) = text.parse::<UserId>() {
            prop_assert_eq!(round_trip(&id), text.clone());
        }
        match text.parse::<UserQuery>() {
            Ok(query) => {
                let wire = round_trip(&query);
                reads_its_own_wire_form(&query, &wire);
                builds(&Search { query: query.clone() }, &wire);
                builds(&UserCheck { query }, &wire);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        if let Ok(query) = text.parse::<GroupQuery>() {
            let wire = round_trip(&query);
            reads_its_own_wire_form(&query, &wire);
            prop_assert!((1..=GroupQuery::MAX_USERNAMES).contains(&query.usernames().count()));
            builds(&SimilarGroups { query }, &wire);
        }
    }

    #[test]
    fn any_text_is_a_key_or_is_refused(text in text()) {
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        for key in [ApiKey::live(text.as_str()), ApiKey::test(text.as_str())] {
            prop_assert_eq!(key.is_ok(), is_key);
            if let Ok(key) = key {
                let request = Api::new(key).request(&Balance {});
                prop_assert_eq!(request.headers()["api-key"].to_str().unwrap(), text.as_str());
            }
        }
    }

    #[test]
    fn any_text_is_a_base_url_or_is_refused(text in url()) {
        let key = || ApiKey::live("key").unwrap();
        let strict = Api::with_base_url(&text, key());
        let plain = Api::with_plain_http_base_url(&text, key());
        if !matches!(strict, Err(InvalidBaseUrl::PlainHttp)) {
            prop_assert_eq!(strict.is_ok(), plain.is_ok());
        }
        if let Ok(api) = plain {
            let uri = api.request(&Balance {}).uri().clone();
            // The same after being written and read, as it is on its way to any transport.
            prop_assert_eq!(uri.to_string().parse::<http::Uri>().unwrap(), uri.clone());
            prop_assert!(uri.path().starts_with('/') && uri.path().ends_with("/tgscan/v1/balance"));
            prop_assert!(uri.query().is_none());
            let authority = uri.authority().unwrap();
            let port = authority.port().map(|port| format!(":{}", port.as_str())).unwrap_or_default();
            prop_assert_eq!(authority.as_str(), format!("{}{port}", authority.host()));
            if uri.scheme_str() == Some("http") && strict.is_ok() {
                prop_assert!(is_loopback_host(authority.host()));
            }
        }
    }
}
