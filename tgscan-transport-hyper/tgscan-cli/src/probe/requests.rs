//! The requests of a probe.

use tgscan_core::Api;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use tgscan_core::http::{HeaderName, HeaderValue, Method, Request, Uri};
use tgscan_core::types::{ApiMethod, Balance, Search, SimilarGroups, UserCheck};

/// The query of the documentation's examples, and the id of Telegram's own service account.
const USERNAME: &str = "some_username";
const ID: &str = "777000";

type Named = (&'static str, &'static str, Request<Bytes>);

/// All requests with their names and reasons. The first one shows whether the key is a test key.
pub(super) fn all(api: &Api) -> Vec<Named> {
    let test = |path: Option<&'static str>| path.unwrap_or_default();
    let (search, check) = (test(Search::TEST_PATH), test(UserCheck::TEST_PATH));
    let similar = test(SimilarGroups::TEST_PATH);
    let query = |query: &str| format!("query={query}");
    let post = |path: &str, body: &str| post(api, path, body);
    let usual = || post(search, &query(USERNAME));
    let with = |change: &dyn Fn(&mut Request<Bytes>)| {
        let mut request = usual();
        change(&mut request);
        request
    };
    let header = |name: HeaderName, value| {
        with(&move |request| {
            request.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        })
    };
    let eleven: Vec<String> = (1..=11).map(|number| format!("{USERNAME}{number}")).collect();
    vec![
        ("check", "the form of a check, and whether this is a test key", post(check, &query(USERNAME))),
        ("search", "the form of a search", usual()),
        ("search_again", "the same, because test answers are random", usual()),
        ("search_by_id", "the form of a search by id", post(search, &query(ID))),
        ("similar", "the form of similar groups", post(similar, "query=some_username1%2Csome_username2")),
        ("balance", "whether the balance takes a test key", post(Balance::PATH, "")),
        (
            "live_check",
            "how a live method refuses a test key; a free method",
            post(UserCheck::PATH, &query(USERNAME)),
        ),
        (
            "wrong_key",
            "how a wrong key is refused",
            header(HeaderName::from_static("api-key"), "00000000000000000000000000000000"),
        ),
        (
            "missing_key",
            "how a missing key is refused",
            with(&|request| {
                request.headers_mut().remove("api-key");
            }),
        ),
        ("missing_query", "how a missing query is refused", post(search, "")),
        ("invalid_query", "how an invalid query is refused", post(search, &query("no+username%21"))),
        ("too_many_usernames", "how 11 usernames are refused", post(similar, &query(&eleven.join("%2C")))),
        ("at_sign", "whether a leading @ is accepted", post(search, &query("%40some_username"))),
        (
            "extra_argument",
            "whether an unknown argument is accepted",
            post(search, &format!("{}&extra=1", query(USERNAME))),
        ),
        (
            "text_content_type",
            "whether the content type matters",
            header(CONTENT_TYPE, "text/plain;charset=UTF-8"),
        ),
        (
            "json_body",
            "whether JSON is accepted",
            with(&|request| {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                *request.body_mut() = Bytes::from(format!("{{\"query\":\"{USERNAME}\"}}"));
            }),
        ),
        (
            "get",
            "whether GET is accepted",
            with(&|request| {
                *request.method_mut() = Method::GET;
                *request.body_mut() = Bytes::new();
                request.headers_mut().remove(CONTENT_TYPE);
                *request.uri_mut() = at(request.uri(), &format!("{search}?{}", query(USERNAME)));
            }),
        ),
        (
            "unknown_path",
            "how an unknown path is refused",
            post("/tgscan/v1/test/no_such_method", &query(USERNAME)),
        ),
        ("trailing_slash", "whether a trailing slash matters", post(&format!("{search}/"), &query(USERNAME))),
        ("gzip", "whether answers are compressed", header(ACCEPT_ENCODING, "gzip")),
    ]
}

/// A request with this path and body. Begins with the SDK's own request, which has the key.
fn post(api: &Api, path: &str, body: &str) -> Request<Bytes> {
    let mut request = api.request(&Balance {});
    let uri = at(request.uri(), path);
    *request.uri_mut() = uri;
    *request.body_mut() = Bytes::copy_from_slice(body.as_bytes());
    if !body.is_empty() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
    }
    request.headers_mut().remove("content-length");
    request
}

/// Replaces the path, and keeps a path of the base URL before it.
fn at(uri: &Uri, path: &str) -> Uri {
    let mut parts = uri.clone().into_parts();
    let before = uri.path().split("/tgscan/v1").next().unwrap_or_default();
    parts.path_and_query = format!("{before}{path}").parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}
