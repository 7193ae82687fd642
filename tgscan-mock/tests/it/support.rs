//! Requests as a client builds them.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_mock::core::Api;
use tgscan_mock::data::{Generate, GenerateVisitor, sample};
use tgscan_mock::{Mock, data::visit_all, outcome::Wire, types};

#[test]
fn the_mock_answers_every_method_of_the_registry() {
    struct Names(Vec<&'static str>);
    impl GenerateVisitor for Names {
        fn visit<M: Generate>(&mut self) {
            self.0.push(M::NAME);
        }
    }
    let mut names = Names(Vec::new());
    visit_all(&mut names);
    assert_eq!(names.0, types::registry::infos().iter().map(|method| method.name).collect::<Vec<_>>());
}

/// Requests for all seven URLs, several queries each: live ones first.
pub(crate) fn seven_urls(mock: &Mock) -> Vec<Request<Bytes>> {
    struct Build {
        apis: [Api; 2],
        requests: Vec<Request<Bytes>>,
    }
    impl GenerateVisitor for Build {
        fn visit<M: Generate>(&mut self) {
            for seed in 0..5 {
                let request = sample(&M::requests(), seed);
                for api in &self.apis {
                    self.requests.push(api.request(&request));
                }
            }
        }
    }
    let apis = [Api::new(mock.live_key()), Api::new(mock.test_key())];
    let mut build = Build { apis, requests: Vec::new() };
    visit_all(&mut build);
    build.requests
}

pub(crate) fn post(path: &str, key: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post(format!("https://api.tgdev.io/tgscan/v1{path}"))
        .header("Api-Key", key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap()
}

/// The message of an error envelope.
pub(crate) fn message(response: &Response<Bytes>) -> String {
    match serde_json::from_slice::<types::Envelope<serde_json::Value>>(response.body()) {
        Ok(types::Envelope::Error(error)) => error.message,
        other => panic!("not an error envelope: {other:?}"),
    }
}

/// The whole response that a request gets.
pub(crate) fn answer(mock: &Mock, request: &Request<Bytes>) -> Response<Bytes> {
    match mock.respond(request).wire {
        Wire::Whole(response) => response,
        other => panic!("not a whole response: {other:?}"),
    }
}
