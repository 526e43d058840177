//! What device binding answers in the application's place.

use std::fmt;

use crate::headers::cookie::Attributes;

/// A response that device binding makes: of an endpoint, or in a handler's place. Send its status, its header fields
/// and its body, and [`finish`](crate::Session::finish) the session of the request with it if there is one. In axum and
/// actix it is a response: a handler returns it as its error.
#[must_use = "send it"]
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// An answer of this status that no cache stores.
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            headers: vec![("Cache-Control", "private, no-store".to_owned())],
            body: String::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn with_body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.body = body.into();
        self.with("Content-Type", content_type.to_owned())
    }

    pub(super) fn with_removal(self, attributes: &Attributes, name: &str) -> Self {
        let line = attributes.write_removal(name);
        self.with("Set-Cookie", line)
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The header fields, each a line of its own. Values of `Set-Cookie` stay out of logs.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The body; mostly empty.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// For logs.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "answered with status {}, for the sake of device binding",
            self.status
        )
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
