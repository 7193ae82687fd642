//! Proxies: which one, if any, and the tunnel through it.
//!
//! hyper-util knows the protocols and the rules of `NO_PROXY`. What it does with a proxy that it cannot read, which is
//! to go straight to the host, is caught here: such a proxy is an error when the transport is built.

mod choice;
mod route;

pub(crate) use self::choice::Choice;
pub(crate) use self::route::{ProxyError, Route, is_proxy_elsewhere, proxy_on_the_way};
