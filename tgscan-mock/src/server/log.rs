//! One line per request, for a log that anybody may read.

use http::{Method, Request};

use crate::Mock;
use crate::engine::{End, Outcome, Wire};

/// Without what a request or its answer says: an unknown path or HTTP method may be a query or a key in the wrong place.
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
        path if mock.knows(path) => path,
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
