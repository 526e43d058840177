//! The crate in its frameworks, mostly over real HTTP, and the examples.

#![allow(clippy::duplicate_mod, reason = "each suite is run by both frameworks")]

mod examples;
#[cfg(any(feature = "axum", feature = "actix"))]
mod frameworks;
#[cfg(all(feature = "axum", feature = "actix"))]
mod layer_order;
#[cfg(any(feature = "axum", feature = "actix"))]
mod shop;
#[cfg(feature = "axum")]
mod tower;
#[cfg(any(feature = "axum", feature = "actix"))]
mod visits;

#[cfg(feature = "axum")]
#[path = "suites"]
mod on_axum {
    use crate::frameworks::axum as framework;

    mod guards;
    mod middlewares;
    mod story;
}

#[cfg(feature = "actix")]
#[path = "suites"]
mod on_actix {
    use crate::frameworks::actix as framework;

    mod guards;
    mod middlewares;
    mod story;
}
