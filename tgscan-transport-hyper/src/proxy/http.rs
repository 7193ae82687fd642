//! A tunnel through an HTTP proxy: `CONNECT` (RFC 9110, 9.3.6).

use tokio::net::TcpStream;

use super::error::ProxyError;
use super::url::Credentials;
use super::{read, write};

/// Longer answers are none.
const LONGEST: usize = 64 << 10;

/// As much of a reason is shown.
const SHOWN: usize = 80;

/// Asks for a tunnel to `host:port`. The proxy resolves the name, so no DNS query leaves this machine.
pub(super) async fn connect(
    stream: &TcpStream,
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
    write(stream, request.as_bytes()).await.map_err(ProxyError::broken)?;

    let mut answer = Vec::new();
    loop {
        let Some(end) = end_of_head(&answer) else {
            if answer.len() > LONGEST {
                return Err(ProxyError::new("the proxy's answer is too long to be one to `CONNECT`"));
            }
            let mut piece = [0; 2048];
            let count = read(stream, &mut piece).await.map_err(ProxyError::broken)?;
            answer.extend_from_slice(&piece[..count]);
            continue;
        };
        let Some((code, reason)) = status(&answer) else {
            return Err(ProxyError::new(
                "the proxy does not answer in HTTP/1; it may be one of another kind",
            ));
        };
        match code {
            // Interim: another one comes. 101 would switch to something that nobody asked for.
            100 | 102..=199 => drop(answer.drain(..end)),
            // The host has not been told anything yet, so all that follows is a head that was read too short.
            200..=299 if answer.len() > end => {
                return Err(ProxyError::new("the proxy sent something of its own into the tunnel"));
            }
            200..=299 => return Ok(()),
            _ => return Err(refusal(code, &reason, credentials)),
        }
    }
}

fn refusal(code: u16, reason: &str, credentials: Option<&Credentials>) -> ProxyError {
    // Only what the proxy may do otherwise a moment later is worth another try.
    let is_permanent = !matches!(code, 408 | 425 | 429 | 500 | 502..=504);
    let remedy = match (code, credentials) {
        (407, None) => "; it asks for a user name and password, which go before its host in the URL",
        (407, Some(_)) => "; it does not accept the user name and password in its URL",
        _ => "",
    };
    let can_be_shown = !reason.is_empty() && credentials.is_none_or(|credentials| !credentials.is_in(reason));
    let reason = if can_be_shown { format!(" {reason}") } else { String::new() };
    ProxyError::new(format!("the proxy did not connect to the host: it answered {code}{reason}{remedy}"))
        .permanent(is_permanent)
        .quoting(can_be_shown)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| at + 1).find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// The code, and the reason as it can be shown.
fn status(head: &[u8]) -> Option<(u16, String)> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let rest = line.strip_prefix(b"HTTP/1.")?.get(1..)?.trim_ascii_start();
    let (code, reason) = rest.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok()?.parse().ok().filter(|code| (100..=999).contains(code))?;
    let reason = String::from_utf8_lossy(reason.trim_ascii());
    let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    Some((code, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_lines() {
        for (head, code, reason) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", 200, "Connection established"),
            ("HTTP/1.0 200\r\n\r\n", 200, ""),
            ("HTTP/1.1  502 Bad\tGateway\n\n", 502, "Bad Gateway"),
        ] {
            assert_eq!(status(head.as_bytes()), Some((code, reason.to_owned())));
            assert_eq!(end_of_head(head.as_bytes()), Some(head.len()));
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
