#![doc = include_str!("../README.md")]

mod clock;
mod logic;
mod memory;
mod tables;

pub use clock::Clock;
pub use memory::MemoryStore;
