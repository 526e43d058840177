//! What the middlewares of all frameworks share: one session per type and request, and mistakes that are told.

use std::any::type_name;
use std::error;
use std::fmt;
use std::sync::Arc;

use crate::adapters::next_page::SignInPage;
use crate::{Session, SessionData, Sessions};

/// What a middleware puts into the extensions of a request, with the page that was asked for as its framework has it.
pub(crate) struct Slot<T, P> {
    pub(crate) session: Result<Session<T>, LayerError>,
    /// Where the guard sends guests.
    pub(crate) sign_in: Option<(Arc<SignInPage>, P)>,
}

impl<T, P: Clone> Clone for Slot<T, P> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            sign_in: self.sign_in.clone(),
        }
    }
}

/// The sign-in page that a middleware was given, or what is wrong with it.
pub(crate) type SignIn = Option<Result<Arc<SignInPage>, LayerError>>;

pub(crate) fn sign_in<T>(path: &str) -> SignIn {
    Some(SignInPage::new(path).map(Arc::new).ok_or_else(|| LayerError {
        problem: format!(
            "the sign-in page {path:?} of the session layer for `{}` is no path of this site; begin it with one `/`, \
             percent-encode spaces and what is not ASCII, and leave out `\\` and the segments `.` and `..`",
            type_name::<T>()
        ),
    }))
}

/// The session of a request that is being served, until it is taken to be finished.
pub(crate) struct Running<T: SessionData>(Option<Session<T>>);

impl<T: SessionData> Running<T> {
    pub(crate) fn new(session: Option<Session<T>>) -> Self {
        Self(session)
    }

    pub(crate) fn take(&mut self) -> Option<Session<T>> {
        self.0.take()
    }
}

impl<T: SessionData> Drop for Running<T> {
    /// A request that is cancelled or panics gets no response: what was written to its session is lost, and later writes are errors.
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            session.abandon();
        }
    }
}

/// The cookie names of the session middlewares around a request, the innermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers(Option<Arc<(Arc<str>, Layers)>>);

impl Layers {
    /// These and another one inside, with the session that it loads or the reason why it cannot.
    pub(crate) fn enter<T>(
        &self,
        sessions: &Sessions<T>,
        sign_in: &SignIn,
        has_slot: bool,
        load: impl FnOnce() -> Session<T>,
    ) -> (Self, Result<Session<T>, LayerError>)
    where
        T: SessionData,
    {
        let inside = Self(Some(Arc::new((Arc::clone(&sessions.config().name), self.clone()))));
        let session = match (self.conflict(sessions, has_slot), sign_in) {
            (Some(problem), _) => Err(LayerError { problem }),
            (None, Some(Err(wrong))) => Err(wrong.clone()),
            (None, _) => Ok(load()),
        };
        (inside, session)
    }

    fn conflict<T>(&self, sessions: &Sessions<T>, has_slot: bool) -> Option<String>
    where
        T: SessionData,
    {
        let data = type_name::<T>();
        if has_slot {
            return Some(format!(
                "two session layers for `{data}` are around this route; remove one of them"
            ));
        }
        let config = sessions.config();
        let mut next = &self.0;
        while let Some(layer) = next {
            let (other, outer) = &**layer;
            if *other == config.name || **other == *config.activity_name || format!("{other}-seen") == *config.name {
                return Some(format!(
                    "the session layer for `{data}` uses the cookie of another session layer around this route; give one \
                     of them another `cookie_name`"
                ));
            }
            next = &outer.0;
        }
        None
    }
}

/// The session layers around a route are missing, contradict each other, or have a sign-in page that is no path: a mistake
/// of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerError {
    problem: String,
}

impl LayerError {
    /// No middleware for `T` is there; `remedy` is how one is added in this framework.
    pub(crate) fn missing<T>(remedy: &str) -> Self {
        let data = type_name::<T>();
        Self {
            problem: format!("no session layer for `{data}` is around this route; add `{remedy}`"),
        }
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl error::Error for LayerError {}

/// What a visitor is told when a write failed.
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) const NOT_KEPT: &str = "the session could not be kept";
