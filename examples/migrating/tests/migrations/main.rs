//! Each migration, from the old application to the last release, over real HTTP.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod actix;
mod iron;
mod iron_reader;
mod jar;
mod pages;
mod sesh;
mod tower;
mod world;
