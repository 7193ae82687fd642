//! Tests of the schemas as a whole, driven by the registry.

mod documented;
mod privacy;
