//! The same application on axum and on actix. Its handlers are written once, with arguments and answers that both
//! frameworks understand, and the tests ask them over real HTTP.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "every test file uses its own part of this"
)]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame};

#[cfg(feature = "actix")]
pub(crate) mod actix;
#[cfg(feature = "axum")]
pub(crate) mod axum;

/// The answer of a handler.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Body,
}

enum Body {
    Text(String),
    Late(Late),
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::from("").with_status(status)
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A body that is made after the header block was sent.
    pub(crate) fn late(make: impl FnOnce() -> String + Send + 'static) -> Self {
        let body = Body::Late(Late(Some(Box::new(make))));
        Self { body, ..Self::from("") }
    }
}

impl<S: Into<String>> From<S> for Reply {
    fn from(text: S) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Body::Text(text.into()),
        }
    }
}

pub(crate) struct Late(Option<Box<dyn FnOnce() -> String + Send>>);

impl hyper::body::Body for Late {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|make| Ok(Frame::data(make().into()))))
    }
}

/// An extractor: the last segment of the path.
pub(crate) struct Word(pub(crate) String);

impl Word {
    fn of(path: &str) -> Self {
        Self(path.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

/// An extractor: the query, taken as the documentation of `next_page` says.
pub(crate) struct Query(pub(crate) Option<String>);

/// An extractor: the state of the application.
pub(crate) struct State<T>(pub(crate) T);

/// An error of a handler or of a service, with the status of its response.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) u16);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is broken")
    }
}

impl std::error::Error for Broken {}

/// A response field for the tests: the names of the fields that are marked sensitive, which HTTP does not transmit.
pub(crate) const SENSITIVE: &str = "x-sensitive";
