//! HTTP/2 in raw frames: answers whose last frames arrive together, and wrong lengths.

use std::sync::Arc;

use tgscan_core::{Transport, TransportError, transport::Delivery};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::fields::literal;
use crate::search;
use crate::server::OK;
use crate::tls_server::{Authority, for_host};

pub(crate) const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[high, middle, low, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

/// Encodes `:status: 200` and a `content-length` (RFC 7541, 6.1 and 6.2.2 with index 28 of the static table).
pub(crate) fn head(length: Option<&str>) -> Vec<u8> {
    head_of(1, length)
}

fn head_of(stream: u8, length: Option<&str>) -> Vec<u8> {
    let mut block = vec![0x88];
    if let Some(length) = length {
        block.extend([0x0f, 28 - 15, u8::try_from(length.len()).unwrap()]);
        block.extend(length.as_bytes());
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// Returns the error of a call that is answered with these frames, in one write.
async fn error_from(frames: Vec<Vec<u8>>) -> TransportError {
    ending(frames, false).await
}

/// Like `error_from`; if `closes`, the server then closes the connection.
async fn ending(frames: Vec<Vec<u8>>, closes: bool) -> TransportError {
    let (authority, url) = serving(frames, closes).await;
    let transport = authority.trusted().attempt_timeout(std::time::Duration::from_secs(1)).build().unwrap();
    transport.send(search(&url)).await.unwrap_err()
}

pub(crate) async fn serving(frames: Vec<Vec<u8>>, closes: bool) -> (Authority, String) {
    serve(1, closes, move |_| frames.concat()).await
}

/// Answers this many requests on one connection after it has received all of them.
pub(crate) async fn serving_many(
    count: u8,
    answer: impl Fn(u8) -> Vec<u8> + Send + 'static,
) -> (Authority, String) {
    serve(count, false, answer).await
}

async fn serve(
    count: u8,
    closes: bool,
    answer: impl Fn(u8) -> Vec<u8> + Send + 'static,
) -> (Authority, String) {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), &["h2"])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let settings = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat();
        stream.write_all(&settings).await.unwrap();
        stream.flush().await.unwrap();
        // A request ends with its body.
        let mut seen = Vec::new();
        while seen.windows(6).filter(|six| *six == b"query=").count() < usize::from(count) {
            stream.read_buf(&mut seen).await.unwrap();
        }
        // Streams of the client have odd numbers.
        for stream_number in (1..).step_by(2).take(usize::from(count)) {
            stream.write_all(&answer(stream_number)).await.unwrap();
        }
        stream.flush().await.unwrap();
        if closes {
            stream.shutdown().await.unwrap();
        }
        while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
    });
    (authority, url)
}

fn assert_whole(error: &TransportError) {
    assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
    assert_eq!(error.partial().unwrap().body(), OK, "{error}");
}

#[tokio::test]
async fn keeps_a_whole_body_followed_by_reset_or_goaway() {
    let body = || frame(DATA, 0, 1, OK.as_bytes());
    for reason in [0, 2, 8] {
        assert_whole(
            &error_from(vec![head(None), body(), frame(RST_STREAM, 0, 1, &[0, 0, 0, reason])]).await,
        );
        let goaway = frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, reason]);
        let error = error_from(vec![head(None), body(), goaway]).await;
        assert_whole(&error);
    }
}

/// The connection ends within a DATA frame, which h2 drops.
#[tokio::test]
async fn keeps_the_received_part_of_a_data_frame() {
    let mut part = frame(DATA, END_STREAM, 1, &[OK, OK].concat().into_bytes());
    part.truncate(part.len() - OK.len());
    for closes in [true, false] {
        assert_whole(&ending(vec![head(None), part.clone()], closes).await);
    }
}

#[tokio::test]
async fn keeps_a_body_shorter_than_content_length() {
    let whole = frame(DATA, END_STREAM, 1, OK.as_bytes());
    assert_whole(&error_from(vec![head(Some("999")), whole]).await);
    let pieces = [frame(DATA, 0, 1, &OK.as_bytes()[..20]), frame(DATA, END_STREAM, 1, &OK.as_bytes()[20..])];
    let error = error_from(vec![head(Some("999")), pieces.concat()]).await;
    assert_whole(&error);
}

pub(crate) fn goaway(last: u8, reason: u8, text: &[u8]) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[&[0, 0, 0, last, 0, 0, 0, reason][..], text].concat())
}

#[tokio::test]
async fn request_above_goaway_is_never_sent_and_one_below_it_maybe_sent() {
    for reason in [0, 1, 2, 7, 11] {
        for closes in [false, true] {
            let error = ending(vec![goaway(0, reason, b"")], closes).await;
            assert_eq!(error.delivery(), Delivery::NeverSent, "{reason} {closes}: {error}");
            assert!(error.to_string().contains("refused the request before processing it"), "{error}");
        }
        let error = ending(vec![goaway(1, reason, b"")], true).await;
        assert_eq!(error.delivery(), Delivery::MaybeSent, "{reason}: {error}");
    }
    let error = ending(vec![goaway(1, 0, b"")], false).await;
    assert_eq!(error.delivery(), Delivery::MaybeSent, "{error}");
}

#[tokio::test]
async fn redacts_the_query_in_goaway_debug_data() {
    let (authority, url) = serving(vec![goaway(0, 1, b"who is some_username?")], false).await;
    let client = authority
        .trusted()
        .build()
        .unwrap()
        .client(crate::api(&url).with_retry(tgscan_core::RetryPolicy::none()));
    let user: tgscan_core::types::UserQuery = crate::QUERY.parse().unwrap();
    let error = client.search(user).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("who is <query>?"), "{text}");
}

#[tokio::test]
async fn server_may_lower_its_stream_limit() {
    const CALLS: usize = 8;
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), &["h2"])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        // MAX_CONCURRENT_STREAMS (RFC 9113, 6.5.2).
        let limit = |streams| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, streams]);
        let mut out = [limit(100), frame(SETTINGS, ACK, 0, &[])].concat();
        let (mut seen, mut open, mut most, mut answered) = (Vec::new(), Vec::new(), 0, 0);
        let mut skipped = false;
        while answered <= CALLS {
            stream.write_all(&out).await.unwrap();
            stream.flush().await.unwrap();
            out.clear();
            stream.read_buf(&mut seen).await.unwrap();
            if !skipped && seen.len() >= PREFACE {
                seen.drain(..PREFACE);
                skipped = true;
            }
            while let Some((kind, flags, number)) = skipped.then(|| next_frame(&mut seen)).flatten() {
                if kind == HEADERS {
                    open.push(number);
                }
                if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                    if answered > 0 {
                        most = most.max(open.len());
                    }
                    open.retain(|stream| *stream != number);
                    out.extend(head_of(number, None));
                    out.extend(frame(DATA, END_STREAM, number, OK.as_bytes()));
                    if answered == 0 {
                        out.extend(limit(1));
                    }
                    answered += 1;
                }
            }
        }
        stream.write_all(&out).await.unwrap();
        stream.flush().await.unwrap();
        while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
        most
    });
    let transport = authority.trusted().build().unwrap();
    transport.send(search(&url)).await.unwrap();
    // After the client acknowledged the lower limit.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let calls: JoinSet<_> = (0..CALLS)
        .map(|_| {
            let (transport, request) = (transport.clone(), search(&url));
            async move { transport.send(request).await.unwrap() }
        })
        .collect();
    assert!(calls.join_all().await.iter().all(|answer| answer.body() == OK));
    drop(transport);
    assert_eq!(serving.await.unwrap(), 1);
}

/// The size of the connection preface (RFC 9113, 3.4).
const PREFACE: usize = 24;
const ACK: u8 = 1;

/// Takes a complete frame. Returns its kind, flags and stream.
fn next_frame(bytes: &mut Vec<u8>) -> Option<(u8, u8, u8)> {
    let head: [u8; 9] = bytes.get(..9)?.try_into().unwrap();
    let length = usize::from(head[1]) << 8 | usize::from(head[2]);
    (bytes.len() >= 9 + length).then(|| {
        bytes.drain(..9 + length);
        (head[3], head[4], head[8])
    })
}

#[tokio::test]
async fn keeps_the_body_of_a_status_without_a_body() {
    for code in ["101", "204", "304"] {
        let block = [&[0x08, 3][..], code.as_bytes()].concat();
        let (authority, url) = serving(
            vec![frame(HEADERS, END_HEADERS, 1, &block), frame(DATA, END_STREAM, 1, OK.as_bytes())],
            false,
        )
        .await;
        let answer = authority.trusted().build().unwrap().send(search(&url)).await.unwrap();
        assert_eq!((answer.status().as_str(), &answer.body()[..]), (code, OK.as_bytes()));
        assert!(answer.headers().is_empty(), "{:?}", answer.headers());
    }
}

#[tokio::test]
async fn reads_oversized_data_frames_and_many_interim_answers() {
    let interim = frame(HEADERS, END_HEADERS, 1, &[&[0x08, 3][..], b"103"].concat());
    // h2 announces a limit of 16 KiB for the payload of a frame.
    let body = format!("{OK}{}", " ".repeat(20 << 10));
    let answer = [head(None), frame(DATA, END_STREAM, 1, body.as_bytes())].concat();
    let (authority, url) = serving(vec![interim.repeat(5_000), answer], false).await;
    let answer = authority.trusted().build().unwrap().send(search(&url)).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, body.as_bytes()));
}

/// h2 ends a connection after 100 empty DATA frames, or with many small ones that arrive together.
#[tokio::test]
async fn reads_bodies_in_many_empty_or_small_data_frames() {
    let body = format!("{OK}{}", " ".repeat(60_000));
    let small = body.bytes().flat_map(|byte| frame(DATA, 0, 1, &[byte])).collect();
    for data in [[frame(DATA, 0, 1, &[]).repeat(200), frame(DATA, 0, 1, body.as_bytes())].concat(), small] {
        let (authority, url) = serving(vec![head(None), data, frame(DATA, END_STREAM, 1, &[])], false).await;
        let answer = authority.trusted().build().unwrap().send(search(&url)).await.unwrap();
        assert!(answer.body() == &body, "{} bytes", answer.body().len());
    }
}

#[tokio::test]
async fn drops_internal_headers_from_the_server() {
    let [status, length] = [("x-tgscan-status", "429"), ("x-tgscan-content-length", "999")]
        .map(|(name, value)| literal(name.as_bytes(), value.as_bytes()));
    let block = [vec![0x88], status, length].concat();
    let (authority, url) = serving(
        vec![frame(HEADERS, END_HEADERS, 1, &block), frame(DATA, END_STREAM, 1, OK.as_bytes())],
        false,
    )
    .await;
    let answer = authority.trusted().build().unwrap().send(search(&url)).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, OK.as_bytes()));
    assert!(answer.headers().is_empty(), "{:?}", answer.headers());
}
