//! A server of a rehearsal: the crate's real `Sessions` and `Sealer` with one ring. `lab/model/` compiles this file
//! too.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealed_session::{KeyRing, Lifetime, Reason, RequestFields, Sealer, SessionState, Sessions};
use time::OffsetDateTime;

/// A server with one ring, whose tokens live as long as any of the application's.
pub(crate) struct Server {
    sessions: Sessions<()>,
    values: Sealer,
    longest: Duration,
}

/// The cookies of a session and a sealed value for another purpose, made by a server.
pub(crate) struct Made {
    cookies: String,
    value: String,
}

impl Server {
    pub(crate) fn new(ring: impl Into<Arc<KeyRing>>, longest: Duration) -> Result<Self, Box<dyn Error>> {
        let ring = ring.into();
        let sessions = Sessions::builder(Arc::clone(&ring))
            .lifetime(Lifetime::absolute(longest).idle(longest))
            .build()?;
        Ok(Self {
            sessions,
            values: Sealer::new(ring, "rehearsal")?,
            longest,
        })
    }

    /// A visitor signs in at `at`, and a value is sealed.
    pub(crate) fn make(&self, at: OffsetDateTime) -> Result<Made, Box<dyn Error>> {
        let cookies = self.sessions.cookie_for_at((), at)?;
        let value = self.values.seal_at(b"rehearsal", self.longest, at)?;
        Ok(Made { cookies, value })
    }

    /// Whether all of it opens here at `at`.
    pub(crate) fn opens(&self, made: &Made, at: OffsetDateTime) -> Result<(), Reason> {
        let session = self
            .sessions
            .load_at(RequestFields::from_cookies([made.cookies.clone()]), at);
        match session.state() {
            SessionState::Valid => {}
            SessionState::Rejected(reason) => return Err(reason),
            _ => return Err(Reason::Malformed),
        }
        self.values
            .open_at(&made.value, b"", at)
            .map(drop)
            .map_err(|error| error.reason())
    }
}
