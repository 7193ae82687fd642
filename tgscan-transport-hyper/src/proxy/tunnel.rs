//! Opens tunnels through HTTP proxies (`CONNECT`, RFC 9110, 9.3.6) and SOCKS5 proxies (RFC 1928; RFC 1929 for the password).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::IpAddr;

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::url::{Credentials, Protocol, Proxy};
use super::{BoxError, port, unbracketed};
use crate::heads::end_of_head;

/// Opens a tunnel to the host of a URI over a connection to the proxy.
pub(super) async fn open(proxy: &Proxy, stream: &mut TcpStream, uri: &Uri) -> Result<(), ProxyError> {
    let credentials = proxy.credentials.as_ref();
    let (host, port) = (uri.host().unwrap_or_default(), port(uri));
    match proxy.protocol {
        Protocol::Http => http(stream, &format!("{host}:{port}"), credentials).await,
        Protocol::Socks5 => socks5(stream, host, port, credentials).await,
    }
}

/// The maximum size of an answer's head.
const MAX_HEAD: usize = 64 << 10;

/// The maximum number of characters of a reason in an error.
const MAX_REASON: usize = 80;

/// Requests a tunnel to `host:port`. The proxy resolves the name, so this machine sends no DNS query.
async fn http(
    stream: &mut TcpStream,
    host: &str,
    credentials: Option<&Credentials>,
) -> Result<(), ProxyError> {
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some(credentials) = credentials {
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&credentials.basic());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(ProxyError::broken)?;

    let mut answer = Vec::new();
    loop {
        let Some(end) = end_of_head(&answer, 0) else {
            if answer.len() > MAX_HEAD {
                return Err(ProxyError::new("the proxy's answer to `CONNECT` is too long"));
            }
            if stream.read_buf(&mut answer).await.map_err(ProxyError::broken)? == 0 {
                return Err(ProxyError::broken(io::ErrorKind::UnexpectedEof.into()));
            }
            continue;
        };
        let Some((code, reason)) = status(&answer) else {
            return Err(ProxyError::new("the proxy does not speak HTTP/1; it may be another kind of proxy"));
        };
        match code {
            // Interim, except 101, which would switch to a protocol that was not requested.
            100 | 102..=199 => drop(answer.drain(..end)),
            // The host has not received anything yet, so these bytes are the proxy's.
            200..=299 if answer.len() > end => {
                return Err(ProxyError::new("the proxy sent unexpected bytes after its answer to `CONNECT`"));
            }
            200..=299 => return Ok(()),
            _ => return Err(http_refusal(code, &reason, credentials)),
        }
    }
}

fn http_refusal(code: u16, reason: &str, credentials: Option<&Credentials>) -> ProxyError {
    // Only these statuses can change on a retry.
    let is_permanent = !matches!(code, 408 | 425 | 429 | 500 | 502..=504);
    let remedy = match (code, credentials) {
        (407, None) => "; it requires a user name and password, which go before its host in the URL",
        (407, Some(_)) => "; it does not accept the user name and password in its URL",
        _ => "",
    };
    let can_be_shown = !reason.is_empty() && credentials.is_none_or(|credentials| !credentials.is_in(reason));
    let reason = if can_be_shown { format!(" {reason}") } else { String::new() };
    ProxyError::new(format!("the proxy did not connect to the host: it answered {code}{reason}{remedy}"))
        .permanent(is_permanent)
        .quoting(can_be_shown)
}

/// Parses the status code and the printable reason.
fn status(head: &[u8]) -> Option<(u16, String)> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let rest = line.strip_prefix(b"HTTP/1.")?.get(1..)?.trim_ascii_start();
    let (code, reason) = rest.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok()?.parse().ok().filter(|code| (100..=999).contains(code))?;
    let reason = String::from_utf8_lossy(reason.trim_ascii());
    let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect();
    Some((code, reason))
}

const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

/// Requests a tunnel. The proxy resolves the name, so this machine sends no DNS query.
async fn socks5(
    stream: &mut TcpStream,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), ProxyError> {
    let request = socks5_request(host, port)?;
    // With credentials, the proxy may still require none.
    let offer: &[u8] =
        if credentials.is_some() { &[VERSION, 2, NO_PASSWORD, PASSWORD] } else { &[VERSION, 1, NO_PASSWORD] };
    stream.write_all(offer).await.map_err(ProxyError::broken)?;
    let [version, method] = socks5_answer(stream).await?;
    match (version, method, credentials) {
        (VERSION, NO_PASSWORD, _) => {}
        (VERSION, PASSWORD, Some(credentials)) => log_in(stream, credentials).await?,
        (VERSION, NO_METHOD, None) => {
            return Err(socks5_refused(
                "it requires a user name and password, which go before its host in the URL",
            ));
        }
        (VERSION, NO_METHOD, Some(_)) => {
            return Err(socks5_refused("it accepts neither a user name and password nor anonymous use"));
        }
        (VERSION, ..) => {
            return Err(socks5_refused("it requires an authentication method that was not offered"));
        }
        _ => return Err(not_socks5()),
    }

    stream.write_all(&request).await.map_err(ProxyError::broken)?;
    let [version, reply, _, kind] = socks5_answer(stream).await?;
    if version != VERSION {
        return Err(not_socks5());
    }
    if reply != 0 {
        return Err(socks5_refusal(reply));
    }
    // Skips the address that the proxy uses.
    let length = match kind {
        1 => 4,
        3 => usize::from(socks5_answer::<1>(stream).await?[0]),
        4 => 16,
        _ => return Err(not_socks5()),
    };
    let mut bound = [0; 255 + 2];
    stream.read_exact(&mut bound[..length + 2]).await.map_err(ProxyError::broken)?;
    Ok(())
}

async fn socks5_answer<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N], ProxyError> {
    let mut answer = [0; N];
    stream.read_exact(&mut answer).await.map_err(ProxyError::broken)?;
    Ok(answer)
}

/// Sends the credentials (RFC 1929). Their lengths fit, because the URL was checked.
async fn log_in(stream: &mut TcpStream, credentials: &Credentials) -> Result<(), ProxyError> {
    let mut request = vec![1];
    for text in [&credentials.user, &credentials.password] {
        request.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        request.extend_from_slice(text);
    }
    stream.write_all(&request).await.map_err(ProxyError::broken)?;
    match socks5_answer(stream).await? {
        [_, 0] => Ok(()),
        _ => Err(socks5_refused("it does not accept the user name and password in its URL")),
    }
}

fn socks5_request(host: &str, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, 1, 0];
    let bare = unbracketed(host);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let too_long = || ProxyError::new("the host's name is too long for SOCKS5").permanent(true);
            request.push(3);
            request.push(u8::try_from(bare.len()).map_err(|_| too_long())?);
            request.extend_from_slice(bare.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

fn not_socks5() -> ProxyError {
    ProxyError::new("the proxy does not speak SOCKS5; it may be another kind of proxy")
}

fn socks5_refused(why: &str) -> ProxyError {
    ProxyError::new(format!("the proxy did not connect to the host: {why}")).permanent(true)
}

fn socks5_refusal(reply: u8) -> ProxyError {
    let (why, is_permanent) = match reply {
        1 => ("general failure", false),
        2 => ("not allowed by its rules", true),
        3 => ("network unreachable", false),
        4 => ("host unreachable", false),
        5 => ("connection refused", false),
        6 => ("time to live expired", false),
        7 => ("command not supported", true),
        8 => ("kind of address not supported", true),
        _ => ("unknown reply", false),
    };
    ProxyError::new(format!("the proxy did not connect to the host: it replied {reply} ({why})"))
        .permanent(is_permanent)
}

/// The proxy failed before anything was sent to the host.
#[derive(Debug)]
pub(crate) struct ProxyError {
    message: String,
    source: Option<BoxError>,
    /// A retry would fail too, or worse: proxies lock out users after repeated wrong passwords.
    pub(crate) is_permanent: bool,
    /// The text quotes the proxy.
    pub(crate) quotes_proxy: bool,
}

impl ProxyError {
    pub(super) fn unreachable(source: BoxError) -> Self {
        Self { source: Some(source), ..Self::new("the proxy cannot be reached") }
    }

    /// The connection to the proxy failed before a complete answer.
    fn broken(mut source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            source = io::Error::new(source.kind(), "it closed the connection");
        }
        Self { source: Some(source.into()), ..Self::new("the proxy did not connect to the host") }
    }

    /// The proxy refused, or its answer is invalid.
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None, is_permanent: false, quotes_proxy: false }
    }

    fn permanent(mut self, is_permanent: bool) -> Self {
        self.is_permanent = is_permanent;
        self
    }

    fn quoting(mut self, quotes_proxy: bool) -> Self {
        self.quotes_proxy = quotes_proxy;
        self
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_lines_of_http_1_only() {
        for (head, code, reason) in
            [("HTTP/1.0 200\r\n\r\n", 200, ""), ("HTTP/1.1  502 Bad\tGateway\n\n", 502, "Bad Gateway")]
        {
            assert_eq!(status(head.as_bytes()), Some((code, reason.to_owned())));
        }
        for head in [
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "220 mail\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(status(head.as_bytes()), None, "{head}");
        }
    }
}
