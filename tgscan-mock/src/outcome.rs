//! What a request gets back from the engine, for those who carry it over a wire of their own: a server, a simulation.

pub use crate::engine::{Class, End, Outcome, Wire};
