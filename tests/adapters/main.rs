//! The crate in its frameworks, mostly over real HTTP, and the examples.

#![allow(
    clippy::duplicate_mod,
    reason = "each suite is run by both frameworks, the story with the cache of opened sessions and without"
)]

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

    const OPENED_CACHE: bool = true;

    #[cfg(feature = "device")]
    mod devices;
    mod guards;
    mod middlewares;
    mod story;
}

#[cfg(feature = "axum")]
#[path = "suites"]
mod on_axum_without_cache {
    use crate::frameworks::axum as framework;

    const OPENED_CACHE: bool = false;

    mod story;
}

#[cfg(feature = "actix")]
#[path = "suites"]
mod on_actix {
    use crate::frameworks::actix as framework;

    const OPENED_CACHE: bool = true;

    #[cfg(feature = "device")]
    mod devices;
    mod guards;
    mod middlewares;
    mod story;
}

#[cfg(feature = "actix")]
#[path = "suites"]
mod on_actix_without_cache {
    use crate::frameworks::actix as framework;

    const OPENED_CACHE: bool = false;

    mod story;
}
