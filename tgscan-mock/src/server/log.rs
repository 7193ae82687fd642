//! The log line of a request, without secrets.

use http::{Method, Request};

use crate::engine::{Outcome, Wire, has_path};

/// Returns the name of an HTTP method, or `?` for an unknown one, which could be a query or a key in the wrong place.
pub(super) fn http_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "?",
    }
}

/// Contains only known paths and HTTP methods: an unknown one could be a query or a key in the wrong place.
pub(super) fn line<B>(request: &Request<B>, outcome: &Outcome) -> String {
    let http_method = http_method(request.method());
    let path = match request.uri().path() {
        path if has_path(path) => path,
        _ => "(unknown path)",
    };
    let answer = match &outcome.wire {
        Wire::Whole(response) => response.status().as_u16().to_string(),
        Wire::Slow(response) => format!("{} slowly", response.status().as_u16()),
        Wire::Partial(response, _, end) => format!("{} then {}", response.status().as_u16(), end.name()),
        Wire::Nothing(end) => end.name().into(),
        Wire::Refused => "reset".into(),
    };
    format!("{http_method} {path}: {answer}, charged {}", outcome.charged)
}
