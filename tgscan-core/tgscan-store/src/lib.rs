#![cfg_attr(docsrs, feature(doc_cfg))]
// The first definition of a link counts, so these replace those in the README, which are for readers of the repository.
//! [TgScan SDK]: tgscan_core
//! [Run a store in production]: crate::_production
//! [Retention]: crate::_retention
//! [Write another store]: tgscan_core::store#write-a-store
//!
#![doc = include_str!("../README.md")]

mod answer;
mod clock;
#[cfg(feature = "redb")]
mod file;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod tables;

// Pages of documentation, as modules so that rustdoc shows them.
#[doc = include_str!("retention.md")]
pub mod _retention {}
#[doc = include_str!("production.md")]
pub mod _production {}

pub use clock::Clock;
#[cfg(feature = "redb")]
pub use file::{FileStore, Salvage, Salvaged, Unreadable};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
