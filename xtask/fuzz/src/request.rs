//! Sends any bytes as a request to the mock's engine.

use std::cell::RefCell;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use serde::de::IgnoredAny;
use tgscan_core::types::{
    ApiMethod, Envelope,
    registry::{MethodVisitor, visit_all},
};
use tgscan_mock::{
    Mock, MockBuilder,
    data::Profile,
    outcome::{Class, Outcome, Wire},
};

use crate::support::Message;

/// Sends a request to a mock with typical data and to one with hostile data: no panic, always a whole envelope, the account
/// loses the credits in the answer, and equal requests get equal answers.
///
/// The first line is the HTTP method and the path. Without a head, the input is the form of a search.
pub fn request(input: &[u8]) {
    thread_local! {
        static MOCKS: RefCell<[Mock; 2]> = RefCell::new([mock(|mock| mock), mock(hostile)]);
    }
    let Some(request) = read(input) else { return };
    MOCKS.with_borrow(|mocks| mocks.iter().for_each(|mock| ask(mock, &request)));
}

/// Builds a mock with few credits, so that they run out.
fn mock(set: fn(MockBuilder) -> MockBuilder) -> Mock {
    set(Mock::builder().credits(2)).build().expect("a mock")
}

fn hostile(mock: MockBuilder) -> MockBuilder {
    mock.profile(Profile::Undocumented)
}

/// Parses the input, or returns `None` if it is not a valid request.
fn read(input: &[u8]) -> Option<Request<Bytes>> {
    let message = Message::read(input);
    let mut request = Request::new(Bytes::copy_from_slice(message.body));
    *request.headers_mut() = message.headers;
    let (method, uri) = message.first.split_once(' ').unwrap_or(("POST", "/tgscan/v1/search"));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = uri.parse::<Uri>().ok()?;
    if message.first.is_empty() {
        let form = "application/x-www-form-urlencoded";
        request.headers_mut().insert("content-type", form.parse().ok()?);
        request.headers_mut().insert("api-key", Mock::LIVE_KEY.parse().ok()?);
    }
    Some(request)
}

fn ask(mock: &Mock, request: &Request<Bytes>) {
    let mut rounds = Vec::new();
    for _ in 0..2 {
        mock.reset();
        // One request more than the credits allow.
        rounds.push((0..3).map(|_| one(mock, request)).collect::<Vec<Response<Bytes>>>());
    }
    for (first, again) in rounds[0].iter().zip(&rounds[1]) {
        assert_eq!(
            (first.status(), first.headers(), first.body()),
            (again.status(), again.headers(), again.body())
        );
    }
    assert_eq!(mock.requests().len(), 3);
}

fn one(mock: &Mock, request: &Request<Bytes>) -> Response<Bytes> {
    let before = mock.account().credits;
    let Outcome { wire, class, charged, .. } = mock.respond(request);
    let Wire::Whole(response) = wire else { panic!("not whole: {wire:?}") };
    let after = mock.account().credits;
    assert!(
        after >= 0 && before - after == i64::try_from(charged).expect("few credits"),
        "{before} to {after}"
    );
    let envelope = serde_json::from_slice::<Envelope<IgnoredAny>>(response.body()).expect("an envelope");
    match (class, envelope) {
        (Class::Reply, Envelope::Ok(_)) => {
            let mut fits = Fits { request, response: &response, charged, found: false };
            visit_all(&mut fits);
            assert!(fits.found, "answered, but {} is not the path of a method", request.uri().path());
        }
        (Class::Api, Envelope::Error(result)) => {
            assert!(!result.message.is_empty() && charged == 0, "{result:?}");
            assert!(response.status().is_client_error(), "{}", response.status());
            assert!(response.body().len() <= 1000 + request.body().len(), "{} bytes", response.body().len());
        }
        (class, envelope) => panic!("{class:?}, but {envelope:?}"),
    }
    response
}

/// Checks that the answer matches the requested method and contains the charged credits.
struct Fits<'a> {
    request: &'a Request<Bytes>,
    response: &'a Response<Bytes>,
    charged: u64,
    found: bool,
}

impl MethodVisitor for Fits<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let path = self.request.uri().path();
        let is_test = M::TEST_PATH == Some(path);
        if path != M::PATH && !is_test {
            return;
        }
        self.found = true;
        let read = serde_json::from_slice::<Envelope<M::Answer>>(self.response.body());
        let Ok(Envelope::Ok(answer)) = read else { panic!("not an answer of {}", M::NAME) };
        if is_test || !M::CAN_COST {
            assert_eq!(self.charged, 0, "{path}");
        } else {
            assert_eq!(M::op_cost(&answer), Some(self.charged), "{path}");
        }
    }
}
