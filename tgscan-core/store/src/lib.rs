#![doc = include_str!("../README.md")]

mod clock;
#[cfg(feature = "redb")]
mod file;
mod logic;
mod memory;
#[cfg(feature = "redb")]
mod oneshot;
mod tables;

pub use clock::Clock;
#[cfg(feature = "redb")]
pub use file::FileStore;
pub use memory::MemoryStore;
