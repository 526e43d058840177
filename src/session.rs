//! A session during one request: its data and facts, its changes, its lifetime and its events.

pub(crate) mod content;
pub(crate) mod event;
pub(crate) mod lifetime;
pub(crate) mod versions;

pub(crate) use crate::session::content::{
    Binding, Content, Current, Facts, Genuine, Live, Opening, Payload, from_payload,
};
pub use crate::session::content::{Opened, SessionData, SessionState, Updated};
pub(crate) use crate::session::versions::{Change, Done, Ending, Refused, Touched, Version, Versions};
