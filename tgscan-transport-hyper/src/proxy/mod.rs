//! Proxies: which one, if any, and the tunnel through it.
//!
//! hyper-util has all of this too. It is made here because there a proxy that cannot be read is gone around in silence, a
//! password with an unescaped `/` is looked up as a host, a refusal hides its status, and a `201` opens no tunnel.

mod bypass;
mod choice;
mod error;
mod http;
mod route;
mod socks;
mod url;

use std::io;

use tokio::net::TcpStream;

pub(crate) use self::choice::Choice;
pub(crate) use self::error::ProxyError;
pub(crate) use self::route::{Route, is_proxy_elsewhere, proxy_on_the_way};

/// Writes all of it to a proxy, before the tunnel stands.
async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what a proxy has sent, at most this much.
async fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

/// Reads exactly this much.
async fn read_exact(stream: &TcpStream, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let count = read(stream, buffer).await?;
        buffer = &mut buffer[count..];
    }
    Ok(())
}
