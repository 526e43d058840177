//! The checks of the fuzz targets, as plain functions of bytes: `cargo test` runs them over their seeds without a fuzzer.
//!
//! `targets` holds one module per target, `reference` the slow, obvious counterparts that the crate must agree with.

pub mod allocation;
pub mod fixtures;
pub mod input;
pub mod inputs;
pub mod kept;
pub mod reference;
pub mod targets;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;
