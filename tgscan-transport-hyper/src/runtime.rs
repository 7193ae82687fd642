//! Checks that the tokio runtime of a call has timers and I/O. tokio panics without them; calls return an error instead.

use std::net::{Ipv4Addr, UdpSocket};
use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::{Handle, Id};

pub(crate) const NO_RUNTIME: &str =
    "the call runs outside a tokio runtime; run it inside one, e.g. under `#[tokio::main]`";
const NO_TIME: &str =
    "the tokio runtime has no timers, which calls need; build it with `enable_time` or `enable_all`";
const NO_IO: &str =
    "the tokio runtime has no I/O, which calls need; build it with `enable_io` or `enable_all`";

/// Returns the id of the current runtime.
pub(crate) fn current() -> Result<Id, &'static str> {
    Handle::try_current().map(|handle| handle.id()).map_err(|_| NO_RUNTIME)
}

/// Checks that the current runtime has timers. Creates one, so it is too slow for every call.
pub(crate) fn check_time() -> Result<(), &'static str> {
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| NO_TIME)
}

/// Checks that the current runtime has I/O. Registers a socket, so it is too slow for every call.
pub(crate) fn check_io() -> Result<(), &'static str> {
    // Without a free descriptor, connecting fails too, before it needs the runtime.
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { return Ok(()) };
    if socket.set_nonblocking(true).is_err() {
        return Ok(());
    }
    catch_unwind(|| drop(tokio::net::UdpSocket::from_std(socket))).map_err(|_| NO_IO)
}
