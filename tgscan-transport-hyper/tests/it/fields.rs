//! HTTP/2 heads with forbidden headers, in raw HPACK: the answer is read anyway.

use http::{HeaderMap, Response};
use tgscan_core::{Transport, TransportError, transport::Delivery};

use crate::frames::{DATA, frame, serving};
use crate::search;
use crate::server::OK;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// `:status: 200` (RFC 7541, appendix A).
const STATUS_200: &[u8] = &[0x88];

type End = Result<Response<bytes::Bytes>, TransportError>;

/// Encodes a field as a literal without indexing and Huffman code (RFC 7541, 6.2.2).
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let [name_length, value_length] = [name, value].map(|text| u8::try_from(text.len()).unwrap());
    assert!(name_length < 127 && value_length < 127);
    [&[0, name_length], name, &[value_length], value].concat()
}

/// Returns the result of a call that is answered with this header block and the usual body.
async fn answer_to(block: &[u8]) -> End {
    end_of(vec![frame(HEADERS, END_HEADERS, 1, block), frame(DATA, END_STREAM, 1, OK.as_bytes())]).await
}

async fn end_of(frames: Vec<Vec<u8>>) -> End {
    let (authority, url) = serving(frames, false).await;
    let transport = authority.trusted().attempt_timeout(std::time::Duration::from_secs(5)).build().unwrap();
    transport.send(search(&url)).await
}

async fn headers_after(block: &[u8]) -> HeaderMap {
    let answer = answer_to(block).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, OK.as_bytes()));
    answer.headers().clone()
}

#[tokio::test]
async fn drops_headers_that_http2_forbids() {
    for (name, value) in [
        ("connection", "keep-alive"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("bad name", "1"),
        ("", "1"),
        ("x-bad", "a\u{1}b"),
        ("x-bad", "a\r\nb"),
        ("x-bad", "\0"),
        (":path", "/"),
        (":version", "HTTP/2"),
        ("content-length", "abc"),
        ("content-length", ""),
        ("content-length", "-1"),
        ("content-length", "99999999999999999999"),
    ] {
        let odd = literal(name.as_bytes(), value.as_bytes());
        let headers = headers_after(&[STATUS_200, &odd, &literal(b"x-good", b"1")].concat()).await;
        assert_eq!(headers.len(), 1, "{name}: {headers:?}");
        assert_eq!(headers["x-good"], "1");
    }
}

#[tokio::test]
async fn drops_forbidden_headers_in_huffman_code() {
    // `connection: close` (RFC 7541, appendix B).
    let coded = b"\0\x87\x21\xea\xa8\xa4\x49\x8f\x57\x84\x25\x07\x41\x7f";
    let headers = headers_after(&[STATUS_200, coded].concat()).await;
    assert!(headers.is_empty(), "{headers:?}");
}

#[tokio::test]
async fn lower_cases_names() {
    let block = [STATUS_200, &literal(b"X-Trace", b"Abc"), &literal(b"Content-Length", b"42")].concat();
    let headers = headers_after(&block).await;
    assert_eq!(
        (&headers["x-trace"], &headers["content-length"]),
        (&"Abc".parse().unwrap(), &"42".parse().unwrap())
    );
    // Forbidden headers in upper case are dropped too.
    let headers = headers_after(&[STATUS_200, &literal(b"Connection", b"close")].concat()).await;
    assert!(headers.is_empty(), "{headers:?}");
}

#[tokio::test]
async fn keeps_content_length_only_if_all_values_agree() {
    let length = |value: &str| literal(b"content-length", value.as_bytes());
    let real = OK.len().to_string();
    for (lengths, kept) in [
        (vec![real.as_str()], true),
        (vec![&real, &real], true),
        (vec!["1", "2"], false),
        (vec![&real, "x"], false),
    ] {
        let block = [STATUS_200.to_vec(), lengths.iter().flat_map(|value| length(value)).collect()].concat();
        let headers = headers_after(&block).await;
        assert_eq!(headers.get("content-length").is_some(), kept, "{lengths:?}");
    }
}

#[tokio::test]
async fn accepts_a_body_longer_than_content_length() {
    let headers = headers_after(&[STATUS_200, &literal(b"content-length", b"3")].concat()).await;
    assert_eq!(headers["content-length"], "3");
}

#[tokio::test]
async fn finds_the_status_in_any_position() {
    let late = [&literal(b"x-good", b"1")[..], STATUS_200].concat();
    assert_eq!(headers_after(&late).await.len(), 1);
    let twice = [STATUS_200, STATUS_200].concat();
    assert_eq!(headers_after(&twice).await.len(), 0);
}

#[tokio::test]
async fn head_without_a_valid_status_is_maybe_sent() {
    for block in [
        vec![],
        literal(b"x-good", b"1"),
        literal(b":status", b"20"),
        literal(b":status", b"2000"),
        literal(b":status", b"ok"),
        // 200 and 404.
        vec![0x88, 0x8d],
    ] {
        let error = answer_to(&block).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::MaybeSent, "{block:?}: {error}");
    }
}

#[tokio::test]
async fn reads_a_split_head_with_padding_and_priority() {
    let block = [STATUS_200, &literal(b"connection", b"close"), &literal(b"x-good", b"1")].concat();
    let padded = [&[3, 0, 0, 0, 0, 16], &block[..5], &[0, 0, 0]].concat();
    let answer = end_of(vec![
        frame(HEADERS, PADDED | PRIORITY, 1, &padded),
        frame(CONTINUATION, 0, 1, &block[5..7]),
        frame(CONTINUATION, 0, 1, &[]),
        frame(CONTINUATION, END_HEADERS, 1, &block[7..]),
        frame(DATA, END_STREAM, 1, OK.as_bytes()),
    ])
    .await
    .unwrap();
    assert_eq!((answer.headers().len(), &answer.body()[..]), (1, OK.as_bytes()));
}

#[tokio::test]
async fn malformed_interim_heads_and_trailers_lose_no_answer() {
    let odd = literal(b"connection", b"close");
    // `:status: 103`.
    let interim = [&literal(b":status", b"103")[..], &odd].concat();
    let answer = end_of(vec![
        frame(HEADERS, END_HEADERS, 1, &interim),
        frame(HEADERS, END_HEADERS, 1, STATUS_200),
        frame(DATA, 0, 1, OK.as_bytes()),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &odd),
    ])
    .await
    .unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, OK.as_bytes()));
}

#[tokio::test]
async fn accepts_an_answer_without_a_body() {
    let block = [STATUS_200, &literal(b"connection", b"close")].concat();
    let answer = end_of(vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)]).await.unwrap();
    assert_eq!((answer.headers().len(), answer.body().len()), (0, 0));
}

#[tokio::test]
async fn keeps_the_first_headers_of_a_head_that_is_too_large() {
    // An entry of 4 KB in the dynamic table, and 1,000 references to it (RFC 7541, 6.1 and 6.2.1).
    let value = [b'v'; 4000];
    let mut block = STATUS_200.to_vec();
    block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend(value);
    block.extend([0xbe; 1000]);
    block.extend(literal(b"content-length", OK.len().to_string().as_bytes()));
    let headers = headers_after(&block).await;
    let count = headers.get_all("x").iter().count();
    assert!((90..110).contains(&count), "{count} of about 400 KiB");
    assert!(headers.contains_key("content-length"));
}

#[tokio::test]
async fn malformed_head_of_one_answer_does_not_break_others() {
    let block = [STATUS_200, &literal(b"X-Upper", b"\x01")].concat();
    let (authority, url) = crate::frames::serving_many(2, move |stream| {
        [frame(HEADERS, END_HEADERS, stream, &block), frame(DATA, END_STREAM, stream, OK.as_bytes())].concat()
    })
    .await;
    let transport = authority.trusted().build().unwrap();
    let (one, other) = tokio::join!(transport.send(search(&url)), transport.send(search(&url)));
    assert_eq!((one.unwrap().body(), other.unwrap().body()), (&OK.into(), &OK.into()));
}

#[tokio::test]
async fn undecodable_header_block_is_maybe_sent() {
    for block in [
        // Index 0, an index beyond both tables, a string longer than the block, a number without end.
        vec![0x80],
        vec![0x88, 0xff, 0x7f],
        vec![0x88, 0x00, 0x05, b'x'],
        vec![0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let error = answer_to(&block).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::MaybeSent, "{block:?}: {error}");
    }
}
