//! Whom a guard lets pass, and where it sends the others: one suite, both adapters.
#![cfg(any(feature = "axum", feature = "actix"))]
#![allow(clippy::duplicate_mod, reason = "one suite, both adapters")]

mod client;
mod frameworks;
#[path = "guards/shop.rs"]
mod shop;

#[cfg(feature = "axum")]
macro_rules! use_framework {
    () => {
        use crate::frameworks::axum as framework;
    };
}
#[cfg(feature = "axum")]
#[path = "guards/suite.rs"]
mod axum;

#[cfg(feature = "actix")]
macro_rules! use_framework {
    () => {
        use crate::frameworks::actix as framework;
    };
}
#[cfg(feature = "actix")]
#[path = "guards/suite.rs"]
mod actix;
