//! From iron-session, whose applications are written in JavaScript.

pub mod beside;
pub mod new;
pub mod reader;
pub mod writer;
