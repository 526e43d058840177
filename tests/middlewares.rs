//! What the middlewares do to responses, and their sentences for whoever put them together wrongly: one suite, both
//! adapters.
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
#[path = "middlewares/suite.rs"]
mod axum;

#[cfg(feature = "actix")]
macro_rules! use_framework {
    () => {
        use crate::frameworks::actix as framework;
    };
}
#[cfg(feature = "actix")]
#[path = "middlewares/suite.rs"]
mod actix;
