//! What the shared checks need: the documented requests and two accounts.

use std::cell::RefCell;
use std::collections::HashMap;

use bytes::Bytes;
use http::Response;
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey, TransportError};

/// What a transport brought back.
pub(crate) type Outcome = Result<Response<Bytes>, TransportError>;

/// The documented request of a method, whose file is read once.
pub(crate) fn documented_request<M: ApiMethod>() -> M {
    thread_local! {
        static FORMS: RefCell<HashMap<&'static str, String>> = RefCell::default();
    }
    FORMS.with_borrow_mut(|forms| {
        let form = forms.entry(M::NAME).or_insert_with(|| {
            let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tgscan-types/fixtures");
            let path = format!("{fixtures}/{}/live.http", M::NAME);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let (_, form) = text.split_once("\r\n\r\n").expect("a head and a body");
            form.to_owned()
        });
        serde_html_form::from_str(form).expect(M::NAME)
    })
}

pub(crate) fn live() -> Api {
    Api::new(ApiKey::live("live-key").expect("a key"))
}

pub(crate) fn test() -> Api {
    Api::new(ApiKey::test("test-key").expect("a key"))
}
