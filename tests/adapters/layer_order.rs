//! Responses with other layers inside and outside of ours: each alone, and the stack that the documentation draws.

mod stack;
mod suite;

#[path = "layer_order/actix.rs"]
mod on_actix;
#[path = "layer_order/axum.rs"]
mod on_axum;
