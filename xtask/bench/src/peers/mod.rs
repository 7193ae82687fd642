//! What the SDK is compared with.

pub mod clients;
pub mod servers;
