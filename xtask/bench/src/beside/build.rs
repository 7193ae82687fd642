//! Suite `build`: a request from a query.

use std::hint::black_box;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};

use super::counted;
use super::race::{Contestant, Pace, race};
use super::report::{Report, Table};
use crate::subject;

pub(super) fn run(pace: Pace) -> Result<Report, String> {
    let client = reqwest::Client::new();
    let mut contestants = [
        Contestant::new("http::Request, all parsed each time", || drop(black_box(by_hand()))),
        Contestant::new("this SDK", subject::build()),
        Contestant::new("reqwest", || drop(black_box(by_reqwest(&client)))),
    ];
    let times = race(&mut contestants, pace);
    let mut table = Table::new("build a request", &["µs"]);
    for (contestant, time) in contestants.iter().zip(times) {
        table.add(contestant.name, vec![Some(time)]);
    }
    let mut report = Report::new(vec![table]);
    let allocations = counted::allocations()?.get("build").copied().unwrap_or(f64::NAN);
    report.at_most("allocations of a request", allocations, 5.0);
    if counted::has_valgrind() {
        report.at_most(
            "instructions of a request, built and dropped",
            counted::instructions("build")?,
            2_700.0,
        );
    }
    Ok(report)
}

const URL: &str = "https://api.tgdev.io/tgscan/v1/search";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// As people write it who know the http crate and nothing else.
fn by_hand() -> Request<Bytes> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", black_box("some_username"));
    let body = Bytes::from(form.finish());
    let key = HeaderValue::from_str(black_box(KEY)).expect("a legal value");
    Request::builder()
        .method(Method::POST)
        .uri(black_box(URL))
        .header(HeaderName::from_bytes(b"Api-Key").expect("a legal name"), key)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Accept", "application/json")
        .header("Content-Length", body.len())
        .body(body)
        .expect("all parts are legal")
}

fn by_reqwest(client: &reqwest::Client) -> reqwest::Request {
    let query = [("query", black_box("some_username"))];
    client.post(URL).header("Api-Key", KEY).form(&query).build().expect("all parts are legal")
}
