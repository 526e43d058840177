//! The two endpoints that browsers call: steps and statuses are those of SPEC.md, *Device binding*.

use time::OffsetDateTime;

use crate::error::{Reason, SealError};
use crate::headers::RequestFields;
use crate::ids::{DeviceName, SessionId};
use crate::session::event::Event;
use crate::session::{Binding, Current, Live, SessionData, SessionState};
use crate::sessions::device_binding::{Device, DeviceKeys};
use crate::sessions::opening::{self, Details};
use crate::sessions::{Keys, Sessions};
use crate::time::{from_seconds, to_seconds};
use crate::token::signed::RegisteredKey;

use super::answer::Answer;
use super::proof::{Proof, unquoted};

impl<T: SessionData> Sessions<T> {
    /// Answers `POST` at the endpoint `register`: a browser has made a key for its session, and proves it.
    ///
    /// `proof` is the value of `Secure-Session-Response`. Checked: that the session of the cookies opens and is bound to
    /// no device, that the challenge that the proof answers was made for this session within a minute, and that the key
    /// that came signed the proof. 200 has the browser's instructions; **nothing is bound** before the browser proves
    /// the key at `refresh`. Anything else is 400: then the browser keeps no key, and the session stays as it is.
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let answer = sessions.register_device(&RequestFields::from_cookies([cookie]), Some("no proof"));
    /// assert_eq!(answer.status(), 400);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register_device(&self, fields: &RequestFields, proof: Option<&str>) -> Answer {
        self.register_device_at(fields, proof, from_seconds(self.now()))
    }

    /// The answer at `now`, otherwise as [`register_device`](Self::register_device).
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let sessions = Sessions::<u64>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// assert_eq!(sessions.register_device_at(&RequestFields::default(), None, noon).status(), 400);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register_device_at(&self, fields: &RequestFields, proof: Option<&str>, now: OffsetDateTime) -> Answer {
        self.with_device(|endpoint| endpoint.register(fields, proof, to_seconds(now)))
    }

    /// Answers `POST` at the endpoint `refresh`: a browser proves its key again.
    ///
    /// `identifier` is the value of `Sec-Secure-Session-Id`, `proof` that of `Secure-Session-Response`. Checked: that
    /// the identifier is a device key of ours, that the session of the cookies opens (but for the proof) and belongs to
    /// that device, that the challenge was made for it within a minute, and that its key signed. 200 brings a new proof,
    /// the first one binds the session. 403 brings a challenge. **401 ends the browser's binding for good**: the session
    /// is signed out, replaced or another device's. 503 is for keys and versions that this server does not know, so that
    /// a deploy ends no binding.
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let answer = sessions.refresh_device(&RequestFields::from_cookies([cookie]), Some("made up"), None);
    /// assert_eq!(answer.status(), 401);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_device(&self, fields: &RequestFields, identifier: Option<&str>, proof: Option<&str>) -> Answer {
        self.refresh_device_at(fields, identifier, proof, from_seconds(self.now()))
    }

    /// The answer at `now`, otherwise as [`refresh_device`](Self::refresh_device).
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let sessions = Sessions::<u64>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// assert_eq!(sessions.refresh_device_at(&RequestFields::default(), None, None, noon).status(), 401);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_device_at(
        &self,
        fields: &RequestFields,
        identifier: Option<&str>,
        proof: Option<&str>,
        now: OffsetDateTime,
    ) -> Answer {
        self.with_device(|endpoint| endpoint.refresh(fields, identifier, proof, to_seconds(now)))
    }

    /// The path of [`DeviceBinding::at`](super::DeviceBinding::at), if there is device binding.
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<u64>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// assert_eq!(sessions.device_path(), Some("/device"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn device_path(&self) -> Option<&str> {
        let device = self.config().device.as_ref()?;
        device.register_path.strip_suffix("/register")
    }

    fn with_device(&self, answer: impl FnOnce(&Endpoint<'_, T>) -> Result<Answer, Refused>) -> Answer {
        let keys = self.keys();
        let (Some(device), Some(device_keys)) = (&self.config().device, &keys.device) else {
            // Without device binding there are no such endpoints.
            return Answer::new(404);
        };
        let endpoint = Endpoint {
            sessions: self,
            device,
            keys: &keys,
            device_keys,
        };
        answer(&endpoint).unwrap_or_else(|refused| {
            if let Some((step, reason)) = refused.step {
                let id = refused.id;
                self.observe(&Event::ProofRefused { step, reason, id });
            }
            refused.answer
        })
    }
}

pub(super) struct Endpoint<'a, T> {
    pub(super) sessions: &'a Sessions<T>,
    pub(super) device: &'a Device,
    pub(super) keys: &'a Keys<T>,
    pub(super) device_keys: &'a DeviceKeys,
}

/// The session of a request to refresh.
struct Came<T> {
    live: Live<T>,
    /// Until when its plain activity lasts, if it is to be bound now.
    to_bind: Option<u64>,
}

/// An answer that is not 200, and what the log is told.
struct Refused {
    answer: Answer,
    /// `None` where it is the usual course.
    step: Option<(&'static str, Option<Reason>)>,
    id: Option<SessionId>,
}

fn refused(status: u16, step: &'static str, reason: Option<Reason>, id: Option<SessionId>) -> Refused {
    Refused {
        answer: Answer::new(status),
        step: Some((step, reason)),
        id,
    }
}

impl<T: SessionData> Endpoint<'_, T> {
    fn register(&self, fields: &RequestFields, proof: Option<&str>, now: u64) -> Result<Answer, Refused> {
        let bind = fields.bind();
        let opening = opening::open_with(self.sessions, fields, false, None, now);
        self.report(&opening.events);
        let session = match opening.current {
            Current::Live(live) => live,
            Current::None(state) => return Err(refused(400, "session", reason_of(state), None)),
        };
        let id = session.facts.id;
        let refuse = |step, reason| refused(400, step, reason, Some(id));
        if session.facts.binding != Binding::Plain {
            return Err(refuse("session", None));
        }
        let proof = proof.and_then(Proof::parse).ok_or_else(|| refuse("proof", None))?;
        let challenge = self
            .device_keys
            .register
            .open_challenge_to_register(proof.challenge.as_bytes(), bind, now);
        let challenged = challenge.map_err(|reason| refuse("challenge", Some(reason)))?;
        if challenged != id {
            return Err(refuse("challenge", None));
        }
        let key = proof.by_key_that_came().ok_or_else(|| refuse("signature", None))?;
        let failed = |_: SealError| refuse("session", Some(Reason::Expired));
        let longest = self.sessions.config().lifetimes.longest();
        let expires = now.saturating_add(longest).min(u32::MAX.into());
        let mut identifier = String::new();
        self.device_keys
            .key
            .seal_key(id, &key, expires, bind, now, &mut identifier)
            .map_err(failed)?;
        // It ends within a second, so that the browser proves itself with the next request, and binds the session.
        let line = self
            .proof_cookie(DeviceName(key.name()), 1, 1, bind, now)
            .map_err(failed)?;
        let instructions = self.instructions(&identifier);
        Ok(Answer::new(200)
            .with("Set-Cookie", line)
            .with_body("application/json", instructions))
    }

    fn refresh(
        &self,
        fields: &RequestFields,
        identifier: Option<&str>,
        proof: Option<&str>,
        now: u64,
    ) -> Result<Answer, Refused> {
        let bind = fields.bind();
        let identifier = identifier.map_or("", unquoted);
        let opened = self.device_keys.key.open_key(identifier.as_bytes(), bind, now);
        let registered = opened.map_err(|reason| {
            let may_be = is_of_another_server(reason) || self.is_of_another_server(fields, now);
            refused(if may_be { 503 } else { 401 }, "device key", Some(reason), None)
        })?;
        let device = DeviceName(registered.key.name());
        let session = self.session_of(&registered, device, fields, now)?;
        let id = session.as_ref().map(|came| came.live.facts.id);
        let ask = |step| self.ask(identifier, device, step, id, bind, now);
        let Some(proof) = proof else {
            return Err(ask(None));
        };
        let proof = Proof::parse(proof).ok_or_else(|| ask(Some(("proof", None))))?;
        match self
            .device_keys
            .refresh
            .open_challenge_to_refresh(proof.challenge.as_bytes(), bind, now)
        {
            Ok(challenged) if challenged == device => {}
            Ok(_) => return Err(ask(Some(("challenge", None)))),
            // Browsers keep the last one, and find out that it has ended.
            Err(Reason::Expired) => return Err(ask(None)),
            Err(reason) => return Err(ask(Some(("challenge", Some(reason))))),
        }
        if !proof.is_by(&registered.key) {
            return Err(refused(401, "signature", None, id));
        }
        let failed = |_: SealError| refused(503, "session", Some(Reason::Expired), id);
        let lifetime = self.device.proof_lifetime;
        let line = self
            .proof_cookie(device, lifetime, lifetime - 60, bind, now)
            .map_err(failed)?;
        let mut answer = Answer::new(200).with("Set-Cookie", line);
        if let Some(Came { live, to_bind }) = &session {
            let id = live.facts.id;
            let mut event = Event::Proven { id };
            if let Some(active_until) = *to_bind {
                let line = self
                    .bound_activity_cookie(live, device, active_until, bind, now)
                    .map_err(failed)?;
                answer = answer.with("Set-Cookie", line);
                event = Event::Bound { id };
                self.sessions.give_up(id, now);
            }
            self.sessions.observe(&event);
        }
        Ok(answer)
    }

    /// The session of a request to refresh. `None` without cookies, where other sites may begin a refresh: then the
    /// browser withholds them.
    fn session_of(
        &self,
        registered: &RegisteredKey,
        device: DeviceName,
        fields: &RequestFields,
        now: u64,
    ) -> Result<Option<Came<T>>, Refused> {
        let mut details = Details::default();
        let opening = opening::open_with(self.sessions, fields, true, Some(&mut details), now);
        self.report(&opening.events);
        let activity = &details.activity;
        let (id, reason) = match opening.current {
            Current::None(SessionState::Absent) if !self.device.initiators.is_empty() => return Ok(None),
            Current::None(state) => (None, reason_of(state)),
            Current::Live(live) => {
                let is_bound = activity.iter().any(|activity| activity.device == Some(device));
                let plain = activity.iter().filter(|activity| activity.device.is_none());
                let plain = plain.map(|activity| u64::from(activity.head.expires)).max();
                // Only with the key of this very session. A thief would bind a copy to a device of his own.
                let to_bind = plain.filter(|_| !is_bound && registered.session_id == live.facts.id);
                if is_bound || to_bind.is_some() {
                    return Ok(Some(Came { live, to_bind }));
                }
                (Some(live.facts.id), None)
            }
        };
        let may_be = reason.is_some_and(is_of_another_server) || details.may_open_elsewhere;
        let may_be = may_be || self.is_of_another_server(fields, now);
        Err(refused(if may_be { 503 } else { 401 }, "session", reason, id))
    }

    /// The alarm of the minute. What else the opening found is told by the answer's own event.
    fn report(&self, events: &[Event]) {
        let alarms = events
            .iter()
            .filter(|event| matches!(event, Event::ManyRejected { .. }));
        alarms.for_each(|event| self.sessions.observe(event));
    }

    /// Whether a cookie is of a key or a version that this server does not know: then another server may open it.
    fn is_of_another_server(&self, fields: &RequestFields, now: u64) -> bool {
        let config = self.sessions.config();
        let session = |text| {
            self.keys
                .session
                .screen_session(text, config.longest_value(), now)
                .map(drop)
        };
        let activity = |text| self.keys.activity.screen_activity(text, true, now).map(drop);
        let failed = fields.cookies(&config.name).map(session);
        let mut failed = failed
            .chain(fields.cookies(&config.activity_name).map(activity))
            .filter_map(Result::err);
        failed.any(is_of_another_server)
    }

    /// The answer with a challenge.
    fn ask(
        &self,
        identifier: &str,
        device: DeviceName,
        step: Option<(&'static str, Option<Reason>)>,
        id: Option<SessionId>,
        bind: &[u8],
        now: u64,
    ) -> Refused {
        let mut random = [0; 8];
        let mut field = String::from("\"");
        let refresh = &self.device_keys.refresh;
        if self.sessions.random(&mut random).is_err()
            || refresh
                .seal_challenge(&device.0, &random, bind, now, &mut field)
                .is_err()
        {
            // Not 401: the browser tries again later.
            return refused(503, "challenge", None, id);
        }
        // The identifier was opened: it is base64url.
        field.push_str(&format!("\";id=\"{identifier}\""));
        let answer = Answer::new(403).with("Secure-Session-Challenge", field);
        Refused { answer, step, id }
    }
}

fn reason_of(state: SessionState) -> Option<Reason> {
    match state {
        SessionState::Rejected(reason) => Some(reason),
        _ => None,
    }
}

/// Whether a token that failed so may open at another server, with other secrets, of another version or with a better
/// clock; or later, if the application's own check refused it for a while, or one of its cookies is on the way.
fn is_of_another_server(reason: Reason) -> bool {
    use Reason::{ExpiresTooFar, Incomplete, Refused, StartedInFuture, UnknownFlags, UnknownKey, UnknownVersion};
    let elsewhere = matches!(reason, UnknownKey | UnknownVersion | UnknownFlags);
    elsewhere || matches!(reason, ExpiresTooFar | StartedInFuture | Refused | Incomplete)
}
