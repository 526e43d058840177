//! The login example as a visitor meets it: the real program, over real HTTP.

#[path = "../demo/mod.rs"]
mod demo;

mod attacks;
mod operator;
mod shop;
mod visitors;
