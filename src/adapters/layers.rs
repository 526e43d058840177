//! Common to the middlewares of all frameworks: their configuration, one session per type and request, and reports of
//! mistakes.

use std::any::type_name;
use std::error;
use std::fmt;
use std::sync::Arc;

use crate::adapters::next_page::SignInPage;
#[cfg(all(feature = "device", any(feature = "axum", feature = "actix")))]
use crate::device::Answer;
use crate::{RequestFields, Session, SessionData, Sessions};

/// The configuration of a middleware. `B` is the closure of `bind_with`, which takes a request of its framework.
pub(crate) struct Options<T, B: ?Sized> {
    pub(crate) sessions: Sessions<T>,
    /// The page, or the error that says what is wrong with it.
    sign_in: Option<Result<Arc<SignInPage>, LayerError>>,
    pub(crate) bind: Option<Arc<B>>,
    names: Arc<Names>,
    /// This middleware with none around it.
    alone: Layers,
}

impl<T, B: ?Sized> Options<T, B> {
    pub(crate) fn new(sessions: Sessions<T>) -> Self {
        let names = Arc::new(Names::of(&sessions));
        Self {
            alone: Layers::default().with(&names),
            names,
            sessions,
            sign_in: None,
            bind: None,
        }
    }

    /// Whether requests have to tell their address.
    #[cfg(feature = "device")]
    pub(crate) fn has_device_binding(&self) -> bool {
        self.sessions.config().has_device_binding()
    }

    pub(crate) fn set_sign_in_page(&mut self, path: &str) {
        self.sign_in = Some(SignInPage::new(path).map(Arc::new).ok_or_else(|| LayerError {
            problem: format!(
                "the sign-in page {path:?} of the session layer for `{}` is no path of this site; begin it with one \
                 `/`, percent-encode spaces and what is not ASCII, and leave out `\\` and the segments `.` and `..`",
                type_name::<T>()
            ),
        }));
    }
}

impl<T: SessionData, B: ?Sized> Options<T, B> {
    /// The values that a middleware puts into the extensions of a request. Middlewares outside may have put `outside`
    /// there, and one for the same `T` a slot. `page` is the page that was asked for. `fields` reads the request: it
    /// calls the closure of `bind_with`, so no extensions may be borrowed.
    pub(crate) fn enter<P: Clone>(
        &self,
        outside: Option<Layers>,
        has_slot: bool,
        page: Option<&P>,
        fields: impl FnOnce() -> RequestFields,
    ) -> (Layers, Slot<T, P>) {
        let layers = outside
            .as_ref()
            .map_or_else(|| self.alone.clone(), |outside| outside.with(&self.names));
        let outside = outside.unwrap_or_default();
        let session = match (outside.conflict::<T>(&self.names, has_slot), &self.sign_in) {
            (Some(problem), _) => Err(LayerError { problem }),
            (None, Some(Err(wrong))) => Err(wrong.clone()),
            (None, _) => Ok(self.sessions.load(fields())),
        };
        let sign_in = match &self.sign_in {
            Some(Ok(sign_in)) => Some((Arc::clone(sign_in), page.cloned())),
            _ => None,
        };
        (layers, Slot { session, sign_in })
    }
}

impl<T, B: ?Sized> Clone for Options<T, B> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            sign_in: self.sign_in.clone(),
            bind: self.bind.clone(),
            names: Arc::clone(&self.names),
            alone: self.alone.clone(),
        }
    }
}

/// A middleware puts this into the extensions of a request. `P` is an address as the framework keeps it.
pub(crate) struct Slot<T, P> {
    pub(crate) session: Result<Session<T>, LayerError>,
    /// The page to which the guard sends guests, and the page that was asked for.
    pub(crate) sign_in: Option<(Arc<SignInPage>, Option<P>)>,
}

impl<T, P: Clone> Clone for Slot<T, P> {
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
    pub(crate) fn of<P>(slot: &Slot<T, P>) -> Self {
        Self(slot.session.clone().ok())
    }

    pub(crate) fn take(&mut self) -> Option<Session<T>> {
        self.0.take()
    }
}

impl<T: SessionData> Drop for Running<T> {
    /// A request that is cancelled or panics gets no response: writes to its session are lost, and later writes are
    /// errors.
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            session.abandon();
        }
    }
}

/// What a session middleware uses for itself.
struct Names {
    cookie: Arc<str>,
    /// Where browsers register devices, with device binding.
    register_path: Option<String>,
}

impl Names {
    fn of<T>(sessions: &Sessions<T>) -> Self {
        let config = sessions.config();
        #[cfg(feature = "device")]
        let register_path = config.device.as_ref().map(|device| device.register_path.clone());
        #[cfg(not(feature = "device"))]
        let register_path = None;
        Self {
            cookie: Arc::clone(&config.name),
            register_path,
        }
    }

    /// Whether another middleware's cookie has the name of a cookie of this one, or of one of its keys.
    fn include(&self, cookie: &str) -> bool {
        cookie.strip_prefix(&*self.cookie).is_some_and(|rest| match rest {
            "" | "-seen" => true,
            "-proof" | "-asked" | "-key" | "-register" | "-refresh" => self.register_path.is_some(),
            _ => false,
        })
    }
}

/// The session middlewares around a request, the innermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers(Option<Arc<(Arc<Names>, Layers)>>);

impl Layers {
    /// These, and one with these names inside them.
    fn with(&self, names: &Arc<Names>) -> Self {
        Self(Some(Arc::new((Arc::clone(names), self.clone()))))
    }

    /// Why sessions cannot be loaded inside these.
    fn conflict<T>(&self, own: &Names, has_slot: bool) -> Option<String> {
        let data = type_name::<T>();
        if has_slot {
            return Some(format!(
                "two session layers for `{data}` are around this route; remove one of them"
            ));
        }
        let mut next = &self.0;
        while let Some(layer) = next {
            let (other, outer) = &**layer;
            if own.include(&other.cookie) || other.include(&own.cookie) {
                return Some(format!(
                    "the session layer for `{data}` uses the cookie of another session layer around this route; give one \
                     of them another `cookie_name`"
                ));
            }
            if own.register_path.is_some() && own.register_path == other.register_path {
                return Some(format!(
                    "the session layer for `{data}` has the device endpoints of another session layer around this route; \
                     give one of them another `DeviceBinding::at`"
                ));
            }
            next = &outer.0;
        }
        None
    }
}

/// What an endpoint of device binding answers. The middleware around it, if its slot is there, knows what `bind_with`
/// binds to.
#[cfg(all(feature = "device", any(feature = "axum", feature = "actix")))]
pub(crate) fn endpoint_answer<'r, T: SessionData, P>(
    sessions: &Sessions<T>,
    is_refresh: bool,
    slot: Option<&Slot<T, P>>,
    fields: impl FnOnce() -> RequestFields,
    text: impl Fn(&'static str) -> Option<&'r str>,
) -> Answer {
    let around = slot.and_then(|slot| slot.session.as_ref().ok());
    let outside = around.is_none().then(fields).unwrap_or_default();
    let fields = around.map_or(&outside, Session::fields);
    let proof = text("secure-session-response");
    if is_refresh {
        sessions.refresh_device(fields, text("sec-secure-session-id"), proof)
    } else {
        sessions.register_device(fields, proof)
    }
}

/// The session layers around a route are missing, contradict each other, or have a sign-in page that is no path: a
/// mistake of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerError {
    problem: String,
}

impl LayerError {
    /// There is no middleware for `T`; `remedy` is the code that adds one in this framework.
    pub(crate) fn missing<T>(remedy: &str) -> Self {
        let data = type_name::<T>();
        Self {
            problem: format!(
                "no session layer for `{data}` is around this route; add `{remedy}`, for this type and after the route"
            ),
        }
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl error::Error for LayerError {}

/// The text for the visitor when a write failed.
#[cfg(any(feature = "axum", feature = "actix"))]
pub(crate) const NOT_KEPT: &str = "the session could not be kept";
