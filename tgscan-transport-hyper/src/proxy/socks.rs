//! A tunnel through a SOCKS5 proxy (RFC 1928, and RFC 1929 for the password).

use std::net::IpAddr;

use tokio::net::TcpStream;

use super::error::ProxyError;
use super::url::Credentials;
use super::{read_exact, write};

const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

/// Asks for a tunnel. The proxy resolves the name, so no DNS query leaves this machine.
pub(super) async fn connect(
    stream: &TcpStream,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), ProxyError> {
    let request = request(host, port)?;
    // Who has a password can still be let in without one.
    let offer: &[u8] =
        if credentials.is_some() { &[VERSION, 2, NO_PASSWORD, PASSWORD] } else { &[VERSION, 1, NO_PASSWORD] };
    write(stream, offer).await.map_err(ProxyError::broken)?;
    let [version, method] = answer(stream).await?;
    match (version, method, credentials) {
        (VERSION, NO_PASSWORD, _) => {}
        (VERSION, PASSWORD, Some(credentials)) => log_in(stream, credentials).await?,
        (VERSION, NO_METHOD, None) => {
            return Err(refused(
                "it accepts nobody without a user name and password, which go before its host in the URL",
            ));
        }
        (VERSION, NO_METHOD, Some(_)) => {
            return Err(refused("it accepts neither a user name and password nor none"));
        }
        (VERSION, ..) => return Err(refused("it wants to authenticate in a way that was not offered")),
        _ => return Err(not_socks5()),
    }

    write(stream, &request).await.map_err(ProxyError::broken)?;
    let [version, reply, _, kind] = answer(stream).await?;
    if version != VERSION {
        return Err(not_socks5());
    }
    if reply != 0 {
        return Err(refusal(reply));
    }
    // The address that the proxy uses, which nobody needs.
    let length = match kind {
        1 => 4,
        3 => usize::from(answer::<1>(stream).await?[0]),
        4 => 16,
        _ => return Err(not_socks5()),
    };
    let mut bound = [0; 255 + 2];
    read_exact(stream, &mut bound[..length + 2]).await.map_err(ProxyError::broken)
}

async fn answer<const N: usize>(stream: &TcpStream) -> Result<[u8; N], ProxyError> {
    let mut answer = [0; N];
    read_exact(stream, &mut answer).await.map_err(ProxyError::broken)?;
    Ok(answer)
}

/// RFC 1929. Lengths fit, because the proxy's URL was checked.
async fn log_in(stream: &TcpStream, credentials: &Credentials) -> Result<(), ProxyError> {
    let mut request = vec![1];
    for text in [&credentials.user, &credentials.password] {
        request.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        request.extend_from_slice(text);
    }
    write(stream, &request).await.map_err(ProxyError::broken)?;
    match answer(stream).await? {
        [_, 0] => Ok(()),
        _ => Err(refused("it does not accept the user name and password in its URL")),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, 1, 0];
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
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
    ProxyError::new("the proxy does not answer in SOCKS5; it may be one of another kind")
}

fn refused(why: &str) -> ProxyError {
    ProxyError::new(format!("the proxy did not connect to the host: {why}")).permanent(true)
}

fn refusal(reply: u8) -> ProxyError {
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
