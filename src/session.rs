//! What a session is during one request: its data and facts, what was done to it, how long it lives, and what is told of it.

pub(crate) mod content;
pub(crate) mod event;
pub(crate) mod lifetime;
pub(crate) mod versions;

pub(crate) use crate::session::content::{Content, Current, Facts, Genuine, Live, Opening, Payload, from_payload};
pub use crate::session::content::{Opened, SessionData, SessionState, Updated};
pub(crate) use crate::session::versions::{Change, Done, Ending, Refused, Touched, Version, Versions};
