//! The log line of a request, without secrets.

use http::{Method, Request};

use crate::Mock;
use crate::engine::{End, Outcome, Wire};

/// Contains only known paths and HTTP methods: an unknown one could be a query or a key in the wrong place.
pub(super) fn line<B>(mock: &Mock, request: &Request<B>, outcome: &Outcome) -> String {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    let http_method = known.iter().find(|known| *known == request.method()).map_or("?", Method::as_str);
    let path = match request.uri().path() {
        path if mock.has_path(path) => path,
        _ => "(unknown path)",
    };
    let answer = match &outcome.wire {
        Wire::Whole(response) => response.status().as_u16().to_string(),
        Wire::Slow(response) => format!("{} slowly", response.status().as_u16()),
        Wire::Partial(response, _, end) => format!("{} then {}", response.status().as_u16(), word(*end)),
        Wire::Nothing(end) => word(*end).into(),
        Wire::Refused => word(End::Reset).into(),
    };
    format!("{http_method} {path}: {answer}, charged {}", outcome.charged)
}

fn word(end: End) -> &'static str {
    match end {
        End::Reset => "reset",
        End::Close => "closed",
        End::Stall => "silent",
        End::Trickle => "trickling",
    }
}
