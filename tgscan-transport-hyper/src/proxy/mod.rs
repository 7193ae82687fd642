//! Proxies: which one, if any, and the tunnel through it.
//!
//! hyper-util has all of this too. It is made here because there a proxy that cannot be read is gone around in silence, a
//! password with an unescaped `/` is looked up as a host, a refusal hides its status, and a `201` opens no tunnel.

mod bypass;
mod choice;
mod error;
mod http;
mod line;
mod route;
mod socks;
mod url;

pub(crate) use self::choice::Choice;
pub(crate) use self::error::ProxyError;
pub(crate) use self::route::{Route, is_proxy_elsewhere, proxy_on_the_way};
