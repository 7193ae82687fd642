//! Compares each documented request with its fixture, byte for byte.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use tgscan_core::types::{
    ApiMethod, BalanceAnswer,
    registry::{MethodVisitor, visit_all},
};
use tgscan_core::{Api, ApiKey, KeyKind, error::InvalidApiKey};

use crate::support::{fixtures, live, test};

/// Formats a request as HTTP/1.1, with its headers in order.
fn on_the_wire(request: &Request<Bytes>) -> String {
    let (uri, mut text) = (request.uri(), String::new());
    write!(text, "{} {} HTTP/1.1\r\nhost: {}\r\n", request.method(), uri.path(), uri.authority().unwrap())
        .unwrap();
    for (name, value) in request.headers() {
        write!(text, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
    }
    text + "\r\n" + std::str::from_utf8(request.body()).unwrap()
}

/// Builds the request of a fixture from its key and query, and compares the two.
fn compare<M: ApiMethod>(
    path: &Path,
    key: fn(String) -> Result<ApiKey, InvalidApiKey>,
) -> Result<(), String> {
    let pinned = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (head, body) = pinned.split_once("\r\n\r\n").ok_or("no empty line")?;
    let secret = head.lines().find_map(|line| line.strip_prefix("api-key: ")).ok_or("no key")?;
    let method: M = serde_html_form::from_str(body).map_err(|error| error.to_string())?;
    let request = Api::new(key(secret.to_owned()).unwrap()).request(&method);
    if request.uri().scheme_str() != Some("https") || request.uri().query().is_some() {
        return Err(format!("{}: {}", path.display(), request.uri()));
    }
    let built = on_the_wire(&request);
    if built == pinned { Ok(()) } else { Err(format!("{}:\n{built}\n--- pinned:\n{pinned}", path.display())) }
}

/// Compares the live request, and the test request if there is a test method. Returns the fixtures used.
fn check<M: ApiMethod>(root: &Path) -> Result<Vec<PathBuf>, String> {
    let (live, twin) = (root.join(M::NAME).join("live.http"), root.join(M::NAME).join("test.http"));
    compare::<M>(&live, ApiKey::live)?;
    if M::TEST_PATH.is_none() {
        return if twin.exists() { Err(format!("{} has no test method", M::NAME)) } else { Ok(vec![live]) };
    }
    compare::<M>(&twin, ApiKey::test)?;
    Ok(vec![live, twin])
}

#[test]
fn every_documented_request_matches_its_fixture() {
    struct Golden(BTreeSet<PathBuf>);
    impl MethodVisitor for Golden {
        fn visit<M: ApiMethod>(&mut self) {
            self.0.extend(check::<M>(&fixtures()).unwrap_or_else(|error| panic!("{error}")));
        }
    }
    let mut used = Golden(BTreeSet::new());
    visit_all(&mut used);
    assert!(used.0.len() >= 7, "the documentation names seven URLs");

    let there: BTreeSet<PathBuf> = std::fs::read_dir(fixtures())
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "http"))
        .collect();
    assert_eq!(used.0, there, "a fixture that no method uses");
}

/// Defines a custom method with the name of a documented one.
macro_rules! method {
    ($name:ident { $($field:ident)? }, $fixture:literal, $path:literal, $twin:expr) => {
        #[derive(Serialize, Deserialize)]
        struct $name {
            $($field: String)?
        }
        impl ApiMethod for $name {
            type Answer = BalanceAnswer;
            const NAME: &'static str = $fixture;
            const PATH: &'static str = $path;
            const TEST_PATH: Option<&'static str> = $twin;
            const CAN_COST: bool = false;
            fn op_cost(_: &BalanceAnswer) -> Option<u64> {
                None
            }
            fn people(&self, _: Option<&BalanceAnswer>) -> Vec<String> {
                Vec::new()
            }
        }
    };
}
method!(Unpinned {}, "nowhere", "/tgscan/v1/balance", None);
method!(WithTwin {}, "balance", "/tgscan/v1/balance", Some("/tgscan/v1/test/balance"));
method!(Elsewhere {}, "balance", "/tgscan/v1/Balance", None);
method!(WithoutTwin { query }, "user_check", "/tgscan/v1/user/check", None);

#[test]
fn missing_unused_or_different_fixture_fails() {
    let root = fixtures();
    assert!(check::<Unpinned>(&root).unwrap_err().contains("live.http"));
    assert!(check::<WithTwin>(&root).unwrap_err().contains("test.http"));
    assert!(check::<Elsewhere>(&root).unwrap_err().contains("--- pinned"));
    assert_eq!(check::<WithoutTwin>(&root).unwrap_err(), "user_check has no test method");
}

#[test]
fn method_without_a_test_method_uses_its_only_path_with_either_key() {
    struct Paths;
    impl MethodVisitor for Paths {
        fn visit<M: ApiMethod>(&mut self) {
            let method: M = crate::support::documented_request();
            assert_eq!(live().request(&method).uri().path(), M::PATH);
            assert_eq!(test().request(&method).uri().path(), M::TEST_PATH.unwrap_or(M::PATH));
        }
    }
    visit_all(&mut Paths);
    assert_eq!(test().request(&tgscan_core::types::Balance {}).uri().path(), "/tgscan/v1/balance");
    assert_eq!((live().key_kind(), test().key_kind()), (KeyKind::Live, KeyKind::Test));
}

#[test]
fn key_header_of_a_request_is_sensitive() {
    let request = live().request(&tgscan_core::types::Balance {});
    let sensitive: Vec<_> = request.headers().iter().filter(|(_, value)| value.is_sensitive()).collect();
    assert_eq!(sensitive.len(), 1);
    assert_eq!(sensitive[0].0, "api-key");
}

#[test]
fn base_url_changes_only_the_prefix_of_the_url() {
    let key = || ApiKey::live("live-key").unwrap();
    let service = live().request(&tgscan_core::types::Balance {});
    for (base, uri) in [
        ("https://gateway.example:8443/a/b/", "https://gateway.example:8443/a/b/tgscan/v1/balance"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/tgscan/v1/balance"),
    ] {
        let request = Api::with_base_url(base, key()).unwrap().request(&tgscan_core::types::Balance {});
        assert_eq!(request.uri(), uri);
        assert_eq!((request.headers(), request.body()), (service.headers(), service.body()));
    }
}
