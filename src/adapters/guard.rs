//! Features `axum` and `actix`: the extractor that lets only signed-in visitors pass.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

#[cfg(feature = "device")]
use crate::device::{self, Answer, DeviceState};
use crate::session::Content;
use crate::{Session, SessionData, WriteError};

/// An extractor for handlers that need a signed-in visitor (features `axum` and `actix`). For others the handler is not
/// called.
///
/// By default every valid session counts as signed in: **a guest with a cart passes.** As soon as guests have sessions,
/// tell the builder with [`signed_in_if`](crate::Builder::signed_in_if) which data are those of a user. Guests get a
/// 401, or a redirect if they ask for a page and the layer has a `sign_in_page`.
///
/// It is also the session: it has the methods of [`Session`], and `Session::clone(&session)` is another handle of that.
///
/// ```
/// use sealed_session::{RequireSession, WriteError};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// async fn sign_out(mut session: RequireSession<Login>) -> Result<String, WriteError> {
///     session.end()?;
///     Ok(format!("goodbye, user {}", session.data().user))
/// }
/// ```
///
/// # A guard of your own
///
/// An extractor with more conditions calls this one first. In axum:
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::extract::FromRequestParts;
/// use axum::http::{StatusCode, request::Parts};
/// use axum::response::{IntoResponse, Response};
/// use sealed_session::RequireSession;
/// # use axum::{Router, body::Body, http::{Request, header::COOKIE}, routing::get};
/// # use sealed_session::{Key, KeyRing, SessionLayer, Sessions};
/// # use tower::ServiceExt;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64, is_admin: bool }
///
/// struct RequireAdmin(RequireSession<Login>);
///
/// impl<S: Send + Sync> FromRequestParts<S> for RequireAdmin {
///     type Rejection = Response;
///
///     async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
///         let session = RequireSession::<Login>::from_request_parts(parts, state).await?;
///         if session.data().is_admin {
///             Ok(Self(session))
///         } else {
///             Err((StatusCode::FORBIDDEN, "for administrators only").into_response())
///         }
///     }
/// }
///
/// async fn accounts(RequireAdmin(session): RequireAdmin) -> String {
///     format!("administrator {}", session.data().user)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
/// # let app = Router::new().route("/", get(accounts)).layer(SessionLayer::new(sessions.clone()));
/// # for (cookies, status) in [
/// #     (String::new(), 401),
/// #     (sessions.cookie_for(Login { user: 7, is_admin: false })?, 403),
/// #     (sessions.cookie_for(Login { user: 7, is_admin: true })?, 200),
/// # ] {
/// #     let request = Request::builder().header(COOKIE, cookies).body(Body::empty())?;
/// #     assert_eq!(app.clone().oneshot(request).await?.status(), status);
/// # }
/// # Ok(())
/// # }
/// ```
///
/// In actix the same is a `FromRequest` that begins with `RequireSession::<Login>::extract(request)`.
pub struct RequireSession<T> {
    session: Session<T>,
    /// The data that the guard let pass.
    content: Arc<Content<T>>,
}

impl<T: SessionData> RequireSession<T> {
    /// `None` for a guest.
    pub(crate) fn new(session: Session<T>) -> Option<Self> {
        let content = session.signed_in_content()?;
        Some(Self { session, content })
    }

    /// The session data as they are now. Once the session was ended in this request, they are as the guard saw them.
    ///
    #[cfg_attr(feature = "axum", doc = "```")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// use axum::{Router, body::{Body, to_bytes}, http::{Request, header::COOKIE}, routing::get};
    /// use sealed_session::{Key, KeyRing, RequireSession, SessionLayer, Sessions, WriteError};
    /// use tower::ServiceExt;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    ///
    /// async fn switch(mut session: RequireSession<Login>) -> Result<String, WriteError> {
    ///     let before = session.data().user;
    ///     session.start(Login { user: 8 })?;
    ///     let now = session.data().user;
    ///     session.end()?;
    ///     Ok(format!("{before}, {now}, and for the last time {}", session.data().user))
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let app = Router::new().route("/", get(switch)).layer(SessionLayer::new(sessions.clone()));
    /// let request = Request::builder().header(COOKIE, sessions.cookie_for(Login { user: 7 })?);
    /// let response = app.oneshot(request.body(Body::empty())?).await?;
    /// let page = to_bytes(response.into_body(), 100).await?;
    /// assert_eq!(page, "7, 8, and for the last time 7");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn data(&self) -> &T {
        self.session.get().unwrap_or(&self.content.data)
    }

    /// Changes the session data like [`Session::update`], and returns what the closure returns, since there is a
    /// session.
    ///
    /// # Errors
    /// As [`Session::update`], and [`WriteError::NoSession`] once the session was ended in this request.
    ///
    #[cfg_attr(feature = "axum", doc = "```")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// # use sealed_session::{RequireSession, WriteError};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64, visits: u32 }
    /// async fn count(mut session: RequireSession<Login>) -> Result<String, WriteError> {
    ///     let visits = session.update(|login| {
    ///         login.visits += 1;
    ///         login.visits
    ///     })?;
    ///     assert_eq!(session.data().visits, visits);
    ///     session.end()?;
    ///     assert_eq!(session.update(|login| login.visits = 0), Err(WriteError::NoSession));
    ///     Ok(format!("visit {visits}, the last one"))
    /// }
    /// # use axum::{Router, body::{Body, to_bytes}, http::{Request, header::COOKIE}, routing::get};
    /// # use sealed_session::{Key, KeyRing, SessionLayer, Sessions};
    /// # use tower::ServiceExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let app = Router::new().route("/", get(count)).layer(SessionLayer::new(sessions.clone()));
    /// # let request = Request::builder().header(COOKIE, sessions.cookie_for(Login { user: 7, visits: 1 })?);
    /// # let response = app.oneshot(request.body(Body::empty())?).await?;
    /// # assert_eq!(to_bytes(response.into_body(), 100).await?, "visit 2, the last one");
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R, WriteError> {
        self.try_update(|data| Ok(change(data)))
    }

    /// Changes the session data like [`update`](Self::update), with a closure that can fail: then nothing is written.
    ///
    /// # Errors
    /// The closure's own, or those of [`update`](Self::update) converted into it.
    ///
    #[cfg_attr(feature = "axum", doc = "```")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// # use sealed_session::{RequireSession, WriteError};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64, credit: u32 }
    /// enum Refused { NoCredit, Write(WriteError) }
    /// # impl From<WriteError> for Refused {
    /// #     fn from(error: WriteError) -> Self { Self::Write(error) }
    /// # }
    ///
    /// async fn pay(mut session: RequireSession<Login>) -> String {
    ///     let paid = session.try_update(|login| {
    ///         login.credit = login.credit.checked_sub(5).ok_or(Refused::NoCredit)?;
    ///         Ok(login.credit)
    ///     });
    ///     match paid {
    ///         Ok(left) => format!("{left} left"),
    ///         Err(Refused::NoCredit) => format!("only {} left", session.data().credit),
    ///         Err(Refused::Write(error)) => error.to_string(),
    ///     }
    /// }
    /// # use axum::{Router, body::{Body, to_bytes}, http::{Request, header::COOKIE}, routing::get};
    /// # use sealed_session::{Key, KeyRing, SessionLayer, Sessions};
    /// # use tower::ServiceExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let app = Router::new().route("/", get(pay)).layer(SessionLayer::new(sessions.clone()));
    /// # for (credit, said) in [(8, "3 left"), (3, "only 3 left")] {
    /// #     let request = Request::builder().header(COOKIE, sessions.cookie_for(Login { user: 7, credit })?);
    /// #     let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    /// #     assert_eq!(to_bytes(response.into_body(), 100).await?, said);
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_update<R, E: From<WriteError>>(&mut self, change: impl FnOnce(&mut T) -> Result<R, E>) -> Result<R, E> {
        let updated = self.session.try_update(change)?;
        updated.option().ok_or_else(|| WriteError::NoSession.into())
    }
}

impl<T> Deref for RequireSession<T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.session
    }
}

impl<T> DerefMut for RequireSession<T> {
    fn deref_mut(&mut self) -> &mut Session<T> {
        &mut self.session
    }
}

impl<T> Clone for RequireSession<T> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            content: Arc::clone(&self.content),
        }
    }
}

impl<T> fmt::Debug for RequireSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequireSession(..)")
    }
}

/// An extractor for handlers that need a signed-in visitor whose session is bound to a device that has proven itself
/// (feature `device`). Guests are answered as by [`RequireSession`], others with a 403: the browser cannot bind
/// sessions, or has not done so yet.
///
/// It is also that session: it has the methods of [`RequireSession`] and [`Session`].
///
/// ```
/// use sealed_session::RequireDevice;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// async fn recovery_codes(session: RequireDevice<Login>) -> String {
///     format!("the codes of user {}", session.data().user)
/// }
/// ```
#[cfg(feature = "device")]
pub struct RequireDevice<T>(RequireSession<T>);

#[cfg(feature = "device")]
impl<T: SessionData> RequireDevice<T> {
    pub(crate) fn new(session: RequireSession<T>) -> Result<Self, Answer> {
        match session.device() {
            DeviceState::Proven => Ok(Self(session)),
            state => Err(device::forbidden(state)),
        }
    }
}

#[cfg(feature = "device")]
impl<T> Deref for RequireDevice<T> {
    type Target = RequireSession<T>;

    fn deref(&self) -> &RequireSession<T> {
        &self.0
    }
}

#[cfg(feature = "device")]
impl<T> DerefMut for RequireDevice<T> {
    fn deref_mut(&mut self) -> &mut RequireSession<T> {
        &mut self.0
    }
}

#[cfg(feature = "device")]
impl<T> Clone for RequireDevice<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(feature = "device")]
impl<T> fmt::Debug for RequireDevice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequireDevice(..)")
    }
}

/// The text for guests that [`RequireSession`] refuses.
pub(crate) const SIGN_IN_FIRST: &str = "sign in first";
