//! The life of sessions over real HTTP: one story, told by axum and by actix.
#![cfg(any(feature = "axum", feature = "actix"))]
#![allow(clippy::duplicate_mod, reason = "one suite, both adapters")]

mod client;
mod frameworks;

#[cfg(feature = "axum")]
macro_rules! use_framework {
    () => {
        use crate::frameworks::axum as framework;
    };
}
#[cfg(feature = "axum")]
#[path = "story/suite.rs"]
mod axum;

#[cfg(feature = "actix")]
macro_rules! use_framework {
    () => {
        use crate::frameworks::actix as framework;
    };
}
#[cfg(feature = "actix")]
#[path = "story/suite.rs"]
mod actix;
