//! A server's answers about the tokens of a header: from the crate's real `Sessions`, asked in several ways.

use sealed_session::device::DeviceBinding;
use sealed_session::edge::Claims;
use sealed_session::{Builder, Reason, RequestFields, Session, SessionId, SessionState, Sessions};
use serde_json::{Map, Value};
use std::time::Duration;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::answer::Failure;
use crate::header::{Header, Place, Token};
use crate::instants::{LEEWAY, after, before, written};
use crate::ring_text::RingText;
use crate::settings::{Settings, build};
use crate::values::unix;

/// A server with the application's ring and settings at one time.
pub(crate) struct Judge<'a> {
    pub(crate) ring: &'a RingText,
    pub(crate) header: &'a Header,
    pub(crate) now: OffsetDateTime,
    pub(crate) bind: Zeroizing<Vec<u8>>,
    pub(crate) settings: &'a Settings,
    pub(crate) cut_off: Option<OffsetDateTime>,
    pub(crate) revoked: &'a [SessionId],
}

impl Judge<'_> {
    /// Its answer to the whole header.
    pub(crate) fn verdict(&self) -> Result<SessionState, Failure> {
        self.strict(self.header.request())
    }

    /// Adds to `facts` what can be said of one token with the ring.
    pub(crate) fn facts(&self, token: &Token, payload: bool, facts: &mut Map<String, Value>) -> Result<(), Failure> {
        match (token.place, &token.claims) {
            (Place::Session, Ok(claims)) => self.session(token, claims, payload, facts),
            (Place::Activity, Ok(claims)) => {
                let (check, refused) = self.activity(token, claims)?;
                facts.insert("check".into(), check.into());
                if let Some(refused) = refused {
                    facts.insert("refused".into(), refused.into());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn session(
        &self,
        token: &Token,
        claims: &Claims,
        payload: bool,
        facts: &mut Map<String, Value>,
    ) -> Result<(), Failure> {
        let mut set = |field: &str, value: Value| facts.insert(field.into(), value);
        // A refused token is read as of a time before its expiry, without the application's limits. The time is 5
        // minutes before, since a token that expires 400 days and 5 minutes after its start is accepted.
        let alive = before(unix(claims.expires.into()), LEEWAY + Duration::from_secs(1));
        let sessions = build(self.settings.without_limits(self.ring.ring().clone()))?;
        let session = self.load(&sessions, self.header.request_of(token, &[]), alive);
        let state = session.state();
        set(
            "check",
            match state {
                SessionState::Rejected(Reason::NotOurs) => "does not match",
                SessionState::Rejected(reason) if reason < Reason::NotOurs => "not verified",
                _ => "matches",
            }
            .into(),
        );
        if let Some(started) = session.started() {
            set("started", written(started).into());
            set("flags", u8::from(session.is_remembered()).into());
            set("remembered", session.is_remembered().into());
        }
        if let Some(data) = session.peek().filter(|_| payload) {
            set("payload", data.clone());
        }
        let activity: Vec<&Token> = self.header.at(Place::Activity).collect();
        if let SessionState::Rejected(reason) = self.strict(self.header.request_of(token, &activity))? {
            set("refused", reason.name().into());
        }
        Ok(())
    }

    /// Whether an activity token's check matches, and why it does not count.
    fn activity(&self, token: &Token, claims: &Claims) -> Result<(&'static str, Option<&'static str>), Failure> {
        let expires = unix(claims.expires.into());
        let latest = after(after(self.now, Duration::from_secs(400 * 86_400)), LEEWAY);
        if expires <= self.now {
            return Ok(("not verified", Some(Reason::Expired.name())));
        }
        if expires > latest {
            return Ok(("not verified", Some(Reason::ExpiresTooFar.name())));
        }
        if !self.ring.ring().describe().iter().any(|key| key.id == claims.key_id) {
            return Ok(("not verified", Some(Reason::UnknownKey.name())));
        }
        let of_this = |session: &&Token| {
            session
                .claims
                .is_ok_and(|session| session.session_id == claims.session_id)
        };
        let Some(session) = self.header.at(Place::Session).find(of_this) else {
            return Ok(("not verified", Some("no session token of this id came with it")));
        };
        let sessions = bound(|| self.settings.longest_idle(self.ring.ring().clone()))?;
        match self
            .load(&sessions, self.header.request_of(session, &[token]), self.now)
            .state()
        {
            SessionState::Valid | SessionState::Rejected(Reason::Payload) => {}
            SessionState::Rejected(Reason::Idle) => return Ok(("does not match", Some(Reason::NotOurs.name()))),
            _ => return Ok(("not verified", Some("its session token does not open"))),
        }
        let refused = self.strict(self.header.request_of(session, &[token]))? == SessionState::Rejected(Reason::Idle);
        Ok((
            "matches",
            refused.then_some("expires later than the idle timeout allows"),
        ))
    }

    /// The application's answer; for a bare token, without its idle timeouts.
    fn strict(&self, request: RequestFields) -> Result<SessionState, Failure> {
        let now = self.now;
        let sessions = bound(|| {
            let builder = self.settings.sessions(self.ring.ring().clone(), !self.header.is_bare);
            builder.clock(move || now)
        })?;
        if let Some(cut_off) = self.cut_off {
            sessions.raise_cut_off(cut_off);
        }
        self.revoked.iter().for_each(|&id| sessions.revoke(id));
        Ok(self.load(&sessions, request, now).state())
    }

    fn load(&self, sessions: &Sessions<Value>, request: RequestFields, at: OffsetDateTime) -> Session<Value> {
        sessions.load_at(request.with_bind(&self.bind[..]), at)
    }
}

/// Sessions that may be bound to devices, where their idle timeouts allow it. The proofs are not judged.
fn bound(builder: impl Fn() -> Builder<Value>) -> Result<Sessions<Value>, Failure> {
    let binding = DeviceBinding::at("/device").introduce(true);
    builder().device_binding(binding).build().or_else(|_| build(builder()))
}
