//! Shared by the operations.

use tgscan_core::types::UserQuery;
use tokio::runtime::Runtime;

pub const PATH: &str = "/tgscan/v1/search";
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A repeatable operation.
pub type Operation = Box<dyn FnMut()>;

/// Installs ring as the process default of rustls, for the peers.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub fn query() -> UserQuery {
    "some_username".parse().expect("a legal username")
}

/// Returns the current-thread runtime of an asynchronous client.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
