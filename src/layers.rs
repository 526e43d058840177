//! What the middlewares of all frameworks share: one session per type and request, and mistakes that are told.

use std::any::type_name;
use std::error;
use std::fmt;
use std::sync::Arc;

use crate::{Session, SessionData, Sessions};

/// What a middleware puts into the extensions of a request.
pub(crate) struct Slot<T> {
    pub(crate) session: Result<Session<T>, LayerError>,
    /// Where the guard extractor sends visitors without a session.
    pub(crate) sign_in: Option<Arc<str>>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            sign_in: self.sign_in.clone(),
        }
    }
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
        has_slot: bool,
        load: impl FnOnce() -> Session<T>,
    ) -> (Self, Result<Session<T>, LayerError>)
    where
        T: SessionData,
    {
        let inside = Self(Some(Arc::new((Arc::clone(&sessions.config().name), self.clone()))));
        let session = match self.conflict(sessions, has_slot) {
            Some(problem) => Err(LayerError { problem }),
            None => Ok(load()),
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

/// The session layers around a route are missing or contradict each other: a mistake of the application.
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

/// An extractor for handlers that demand a session (features `axum` and `actix`): without one they are not called.
///
/// The visitor gets a 401, or is sent where `sign_in_page` of the layer says.
///
/// ```
/// use sealed_session::RequireSession;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// async fn orders(RequireSession(session): RequireSession<Login>) -> String {
///     let user = session.get().map(|login| login.user);
///     format!("orders of user {user:?}")
/// }
/// ```
#[cfg(any(feature = "axum", feature = "actix"))]
#[derive(Clone, Debug)]
pub struct RequireSession<T>(pub Session<T>);

/// What a visitor is told who was sent away by [`RequireSession`].
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) const SIGN_IN_FIRST: &str = "sign in first";
/// What a visitor is told when a write failed.
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) const NOT_KEPT: &str = "the session could not be kept";
