//! Writes to a session. Everything that can fail fails here, in the handler: [`Session::finish`] has nothing left to
//! refuse.

use std::sync::Arc;

use crate::aead::{self, NoRandomness};
use crate::buffer::Buffer;
use crate::error::{Reason, WriteError};
use crate::ids::SessionId;
use crate::session::event::Event;
use crate::session::{
    Binding, Change, Content, Current, Done, Facts, Live, Payload, Refused, SessionData, SessionState, Updated,
    Version, from_payload,
};
use crate::sessions::handle::{Came, Session};
use crate::sessions::layout::TooLarge;
use crate::token::envelope::SALT_LEN;

impl<T: SessionData> Session<T> {
    /// Starts a session with a new id, whether or not there is one already: call it after every authentication, so that
    /// an id from before is worth nothing (session fixation).
    ///
    /// The session that came with the request is revoked when this one is sent (see
    /// [`revoke_on_end`](crate::Builder::revoke_on_end)). If that session was revoked or cut off while the request was
    /// served, other than by this request's own [`end`](Self::end), nothing is sent: a request that was running does
    /// not sign in again a visitor who was signed out meanwhile. So do not call
    /// [`Sessions::revoke`](crate::Sessions::revoke) for that session first. Guests
    /// ([`signed_in_if`](crate::Builder::signed_in_if)) have nothing to sign out of: a guest's session is revoked only
    /// if a sign-in takes its place, and the sign-in is sent even if the guest's session was revoked meanwhile.
    ///
    /// From then on [`get`](Self::get) lends the data as read back from the JSON, as the next request will read them:
    /// skipped fields have their defaults.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`], [`WriteError::NotSerializable`], [`WriteError::NotReadable`], [`WriteError::TooLate`],
    /// [`WriteError::Expiry`] or [`WriteError::RandomSource`]; the session is then as it was.
    /// [`WriteError::NotOpenedYet`] in code of the application that runs while the session is opened, as for every
    /// other write.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let came = sessions.cookie_for(Login { user: 1 })?;
    /// let mut session = sessions.load(RequestFields::from_cookies([came.clone()]));
    /// let id_before = session.id();
    /// session.start(Login { user: 7 })?;
    /// assert_ne!(session.id(), id_before);
    ///
    /// session.finish(303, &mut Vec::new());
    /// assert!(sessions.load(RequestFields::from_cookies([came])).get().is_none()); // it is revoked
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("login", "sign_in", "regenerate", "renew", "insert"))]
    pub fn start(&mut self, data: T) -> Result<(), WriteError> {
        self.write()?.begin(&data, true)
    }

    /// Starts a session like [`start`](Self::start), with data that the closure makes of the old data (`None` without a
    /// valid session). A guest keeps the cart through a sign-in this way.
    ///
    /// **The old data may be another person's.** An attacker who can set a cookie in this browser can plant a guest's
    /// session there, and the visitor who was signed in before need not be the one who signs in now. Take a guest's
    /// cart from the old data, never a user, a role or a page to go to.
    ///
    /// # Errors
    /// As [`start`](Self::start), and [`WriteError::Conflict`] if another handle of this request wrote meanwhile. If
    /// the closure panics or anything fails, the session is as it was.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Visitor { user: Option<u64>, cart: Vec<u32> }
    ///
    /// # let sessions = Sessions::<Visitor>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Visitor { user: None, cart: vec![42] })?;
    /// let mut session = sessions.load(RequestFields::from_cookies([cookie]));
    /// session.start_with(|old| Visitor {
    ///     user: Some(7),
    ///     cart: old.filter(|old| old.user.is_none()).map(|guest| guest.cart).unwrap_or_default(),
    /// })?;
    /// assert!(session.get().is_some_and(|visitor| visitor.user == Some(7) && visitor.cart == [42]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("login", "sign_in", "regenerate"))]
    pub fn start_with(&mut self, new: impl FnOnce(Option<T>) -> T) -> Result<(), WriteError> {
        let write = self.write()?;
        let old = write.live().map(copy).transpose()?;
        write.begin(&new(old), false)
    }

    /// Changes the session data. Without a session the closure is not called, and the result is [`Updated::NoSession`]:
    /// [`update_or_start`](Self::update_or_start) would start one.
    ///
    /// The closure works on a copy that is read from the sealed bytes. The changed data are read back, as after
    /// [`start`](Self::start). Data that serialise to the same bytes are no write (a `HashMap` comes out in another
    /// order every time; a `BTreeMap` does not).
    ///
    /// If the change signs the visitor in or out ([`signed_in_if`](crate::Builder::signed_in_if)), this is a
    /// [`start`](Self::start) with the changed data: the session has a new id and new times, and is no longer
    /// remembered. So the old cookie, which an attacker may have planted or kept, gains nothing. The session that came
    /// is revoked when the new one is sent.
    ///
    /// Parallel requests do not see each other's writes: the response that arrives last wins.
    ///
    /// # Errors
    /// As [`start_with`](Self::start_with).
    ///
    /// ```
    /// use sealed_session::Updated;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let sessions = Sessions::<Vec<u32>>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(vec![42])?;
    /// let mut session = sessions.load(RequestFields::from_cookies([cookie]));
    /// assert_eq!(session.update(|cart| cart.pop())?, Updated::Done(Some(42)));
    /// assert!(session.get().is_some_and(Vec::is_empty));
    ///
    /// let mut guest = sessions.load(RequestFields::default());
    /// assert_eq!(guest.update(|cart| cart.pop())?, Updated::NoSession);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("set", "insert", "entry"))]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<Updated<R>, WriteError> {
        self.try_update(|data| Ok(change(data)))
    }

    /// Changes the session data like [`update`](Self::update), with a closure that can fail: then nothing is written.
    ///
    /// # Errors
    /// The closure's own, or a [`WriteError`] converted into it.
    ///
    /// ```
    /// use std::error::Error;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let sessions = Sessions::<Vec<u32>>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(vec![42])?;
    /// let mut session = sessions.load(RequestFields::from_cookies([cookie]));
    /// let failed = session.try_update(|cart| {
    ///     cart.clear();
    ///     Err::<(), Box<dyn Error>>("sold out".into())
    /// });
    /// assert!(failed.is_err());
    /// assert!(session.get().is_some_and(|cart| *cart == [42])); // nothing was written
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_update<R, E: From<WriteError>>(
        &mut self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<Updated<R>, E> {
        let write = self.write()?;
        match write.live() {
            Some(live) => write.change_data(live, change).map(Updated::Done),
            None => Ok(Updated::NoSession),
        }
    }

    /// Changes the session data like [`update`](Self::update). Without a session it starts one with `new`, changed in
    /// the same way: for the data of guests, such as a cart.
    ///
    /// # Errors
    /// As [`start_with`](Self::start_with), and [`WriteError::Unproven`] if the session is bound to a device that has
    /// not proven itself.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let sessions = Sessions::<Vec<u32>>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let mut guest = sessions.load(RequestFields::default());
    /// for item in [42, 43] {
    ///     guest.update_or_start(Vec::new, |cart| cart.push(item))?;
    /// }
    /// assert!(guest.get().is_some_and(|cart| *cart == [42, 43]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("set", "insert", "entry"))]
    pub fn update_or_start<R>(
        &mut self,
        new: impl FnOnce() -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, WriteError> {
        let write = self.write()?;
        if let Some(live) = write.live() {
            return write.change_data(live, |data| Ok(change(data)));
        }
        if write.base.current.state() == SessionState::Rejected(Reason::Unproven) {
            return Err(WriteError::Unproven);
        }
        let mut data = new();
        let result = change(&mut data);
        write.begin(&data, false)?;
        Ok(result)
    }

    /// Gives the session a new id with the same data and the same start: call it at a change of privilege without a new
    /// authentication. Without a session nothing happens.
    ///
    /// Copies of the old cookie open until they expire: to stop them, [`revoke`](crate::Sessions::revoke) the old id
    /// that [`Event::Cycled`] names.
    ///
    /// # Errors
    /// [`WriteError::TooLate`], [`WriteError::Conflict`] or [`WriteError::RandomSource`].
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let mut session = sessions.load(RequestFields::from_cookies([sessions.cookie_for(Login { user: 7 })?]));
    /// let (id, started) = (session.id(), session.started());
    /// session.cycle_id()?;
    /// assert_ne!(session.id(), id);
    /// assert_eq!(session.started(), started);
    /// assert_eq!(session.get().map(|login| login.user), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("rotate", "regenerate_id"))]
    pub fn cycle_id(&mut self) -> Result<(), WriteError> {
        self.write()?.change_facts(|mut facts, _is_sent| {
            (facts.id, facts.active_until) = (self.new_id()?, None);
            Ok((Change::Cycled, facts))
        })
    }

    /// Makes the session a remembered one (or, with `false`, an ordinary one again): with the other lifetime, counted
    /// from the same start, and cookies that the browser keeps when it is closed. Without a session nothing happens.
    ///
    /// An ordinary and a remembered session never have the same id: a session that came with the request gets a new id,
    /// and the old id is revoked when the new one is sent, unless it is a guest's (see
    /// [`revoke_on_end`](crate::Builder::revoke_on_end)).
    ///
    /// # Errors
    /// [`WriteError::RememberOff`] if the builder was given no [`remembered`](crate::Builder::remembered) lifetime,
    /// [`WriteError::Expiry`] if the session is already older than the lifetime that it would get ([`end`](Self::end)
    /// ends it), [`WriteError::TooLate`], [`WriteError::Conflict`] or [`WriteError::RandomSource`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use sealed_session::Lifetime;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let month = Lifetime::absolute(Duration::from_secs(30 * 86_400));
    /// let sessions = Sessions::<Login>::builder(ring).remembered(month).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// session.remember(true)?;
    /// assert!(session.finish_patch(200).set_cookies().all(|line| line.contains("; Max-Age=")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remember(&mut self, remembered: bool) -> Result<(), WriteError> {
        let write = self.write()?;
        let lifetimes = self.sessions().config().lifetimes;
        if remembered && lifetimes.remembered.is_none() {
            return Err(WriteError::RememberOff);
        }
        write.change_facts(|facts, is_sent| {
            if facts.remembered == remembered {
                return Ok((Change::Written, facts));
            }
            let expires = lifetimes.expires(facts.started, remembered);
            // The response could not carry such a session: the browser would keep its old one.
            if expires <= self.now() || u32::try_from(expires).is_err() {
                return Err(WriteError::Expiry);
            }
            let id = if is_sent { self.new_id()? } else { facts.id };
            let facts = Facts {
                id,
                remembered,
                expires,
                active_until: None,
                ..facts
            };
            Ok((Change::Replaced, facts))
        })
    }

    /// Notes activity now: the response sends a new activity cookie, even if none is due yet or
    /// [`touch_if`](crate::Builder::touch_if) would not count the request. The id stays. Without a session or without
    /// an idle timeout nothing happens.
    ///
    /// # Errors
    /// [`WriteError::TooLate`] or [`WriteError::Conflict`].
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let mut session = sessions.load(RequestFields::from_cookies([sessions.cookie_for(Login { user: 7 })?]));
    /// session.touch()?;
    /// let patch = session.finish_patch(200);
    /// let lines: Vec<&str> = patch.set_cookies().collect();
    /// assert!(matches!(lines[..], [line] if line.starts_with("__Host-id-seen=")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("renew", "refresh", "keep_alive"))]
    pub fn touch(&mut self) -> Result<(), WriteError> {
        let write = self.write()?;
        if let Some(live) = write.live() {
            let touched = |done| Done { touch: true, ..done };
            write.append(Current::Live(live.clone()), touched, false)?;
        }
        Ok(())
    }

    /// Ends the session. The response removes its cookies, whether they came or not. Every session whose genuine token
    /// came with the request is revoked at once, so that no copy of it opens any more: wherever the revocation list is
    /// known (see [`revoke_on_end`](crate::Builder::revoke_on_end), which can turn this off).
    ///
    /// A guest's session ([`signed_in_if`](crate::Builder::signed_in_if)) is only removed, so that strangers cannot
    /// fill the list. A session that did not open is revoked if its token is genuine: a visitor who was idle for too
    /// long can still sign out a thief who was active. A session in chunks of which a cookie is missing is not known to
    /// be genuine: its cookies are removed, and nothing is revoked.
    ///
    /// # Errors
    /// [`WriteError::TooLate`].
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let mut session = sessions.load(RequestFields::from_cookies([cookie.clone()]));
    /// session.end()?;
    /// assert!(session.get().is_none());
    /// assert!(session.finish_patch(200).set_cookies().all(|line| line.contains("; Max-Age=0;")));
    ///
    /// let copy = sessions.load(RequestFields::from_cookies([cookie]));
    /// assert!(copy.get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("clear", "logout", "sign_out", "flush", "purge", "destroy", "reset"))]
    pub fn end(&mut self) -> Result<(), WriteError> {
        let write = self.write()?;
        let ended = |done: Done| done.and(Change::Ended);
        let before = write.append(Current::None(SessionState::Ended), ended, true)?;
        if !before.done.ended {
            // A guest has nothing to sign out of, and strangers could fill the list.
            self.sessions()
                .end(&write.came.genuine, |came| !came.is_guest, self.now());
        }
        Ok(())
    }

    /// The facts of a session that starts now.
    fn fresh(&self, id: SessionId, remembered: bool) -> Result<Facts, WriteError> {
        let started = self.now();
        let expires = self.sessions().config().lifetimes.expires(started, remembered);
        if u32::try_from(expires).is_err() {
            return Err(WriteError::Expiry);
        }
        Ok(Facts {
            id,
            started,
            opened: started,
            expires,
            remembered,
            active_until: None,
            binding: Binding::Offered,
        })
    }

    /// Serialises the data at once and reads them back. Data that do not fit, or that the next request could not read,
    /// are refused here; and the data that are lent after a write are those that the next request will read. A session
    /// whose payload `came` with this length may stay as large.
    fn content(&self, data: &T, came: usize) -> Result<Content<T>, WriteError> {
        let content = self.unreported_content(data, came);
        if let Err(WriteError::TooLarge {
            size, limit, option, ..
        }) = content
        {
            self.sessions().observe(&Event::TooLarge { size, limit, option });
        }
        content
    }

    pub(super) fn unreported_content(&self, data: &T, came: usize) -> Result<Content<T>, WriteError> {
        let mut buffer = Buffer::with_capacity(USUAL_PAYLOAD);
        serde_json::to_writer(&mut buffer, data).map_err(|_| WriteError::NotSerializable)?;
        let length = buffer.len();
        let payload = Payload::new(buffer, 0..length);
        self.check_size(payload.as_bytes(), came)?;
        let data = from_payload(payload.as_bytes()).ok_or(WriteError::NotReadable)?;
        Ok(Content::new(data, payload))
    }

    /// Whether this payload fits.
    fn check_size(&self, payload: &[u8], came: usize) -> Result<(), WriteError> {
        let Err(TooLarge { size, limit, option }) = self.sessions().config().layout(payload.len(), came) else {
            return Ok(());
        };
        Err(WriteError::TooLarge {
            size,
            limit,
            option,
            largest_field: largest_field(payload),
        })
    }

    fn new_id(&self) -> Result<SessionId, WriteError> {
        let (id, salt) = self.fresh_id_and_salt()?;
        // A request may draw several ids. One salt is enough, since one seal follows.
        let _ = self.shared.salt.set(salt);
        Ok(SessionId(id))
    }

    /// Draws the salt for the seal at the end, when it is too late to fail.
    pub(super) fn draw_salt(&self) -> Result<(), WriteError> {
        if self.shared.salt.get().is_none() {
            let _ = self.shared.salt.set(self.fresh_id_and_salt()?.1);
        }
        Ok(())
    }

    fn fresh_id_and_salt(&self) -> Result<([u8; 8], [u8; SALT_LEN]), WriteError> {
        aead::fresh_id_and_salt(self.sessions().shared.random).map_err(|NoRandomness| WriteError::RandomSource)
    }
}

/// Room for a usual payload: a larger one moves while it is written.
const USUAL_PAYLOAD: usize = 512;

/// A write, and the version that it follows.
pub(super) struct Write<'a, T> {
    pub(super) session: &'a Session<T>,
    pub(super) came: &'a Came<T>,
    pub(super) base: &'a Version<T>,
}

impl<'a, T: SessionData> Write<'a, T> {
    fn live(&self) -> Option<&'a Live<T>> {
        self.base.current.live()
    }

    /// Starts a session with these data. It `replaces` what another handle wrote meanwhile, or is refused then.
    fn begin(&self, data: &T, replaces: bool) -> Result<(), WriteError> {
        let content = Arc::new(self.session.content(data, 0)?);
        let facts = self.session.fresh(self.session.new_id()?, false)?;
        self.append_live(content, facts, Change::Started, replaces)
    }

    fn change_data<R, E: From<WriteError>>(
        &self,
        live: &Live<T>,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut data = copy(live)?;
        let result = change(&mut data)?;
        let came = live.content.payload().as_bytes().len();
        let content = Arc::new(self.session.content(&data, came)?);
        let sessions = self.session.sessions();
        let mut facts = live.facts.written(&sessions.config().lifetimes);
        let mut change = Change::Written;
        let signed_in = |data: &T| sessions.counts_as_signed_in(data);
        if signed_in(&live.content.data) != signed_in(&content.data) {
            change = Change::Replaced;
            // Another visitor from now on: the session is not as old as the one before, nor remembered because that one
            // was.
            facts = match self.is_sent(&facts) {
                true => self.session.fresh(self.session.new_id()?, false)?,
                false => self.session.fresh(facts.id, facts.remembered)?,
            };
        } else if content.payload().as_bytes() != live.content.payload().as_bytes() {
            self.session.draw_salt()?;
        }
        self.append_live(content, facts, change, false)?;
        Ok(result)
    }

    /// Changes the facts of a session, if there is one. `facts` is told whether browsers hold its id.
    fn change_facts(
        &self,
        facts: impl FnOnce(Facts, bool) -> Result<(Change, Facts), WriteError>,
    ) -> Result<(), WriteError> {
        let Some(live) = self.live() else {
            return Ok(());
        };
        let written = live.facts.written(&self.session.sessions().config().lifetimes);
        let (change, facts) = facts(written, self.is_sent(&live.facts))?;
        self.append_live(Arc::clone(&live.content), facts, change, false)
    }

    /// Whether browsers hold this id: it came with the request.
    fn is_sent(&self, facts: &Facts) -> bool {
        let first = self.came.versions.first().current.live();
        first.is_some_and(|first| first.facts.id == facts.id)
    }

    fn append_live(
        &self,
        content: Arc<Content<T>>,
        facts: Facts,
        change: Change,
        replaces: bool,
    ) -> Result<(), WriteError> {
        let live = Current::Live(Live { content, facts });
        self.append(live, |done| done.and(change), replaces).map(drop)
    }

    /// Appends a version, and returns the one before it.
    fn append(
        &self,
        current: Current<T>,
        done: impl Fn(Done) -> Done,
        replaces: bool,
    ) -> Result<&'a Version<T>, WriteError> {
        let appended = self.came.versions.append(self.base, current, done, replaces);
        appended.map_err(|refused| match refused {
            Refused::Conflict => WriteError::Conflict,
            Refused::Closed => self.session.too_late(),
        })
    }
}

/// A copy of the data, read from the bytes. The bytes are gone if another handle has written meanwhile.
fn copy<T: SessionData>(live: &Live<T>) -> Result<T, WriteError> {
    let payload = live.content.payload().copy().ok_or(WriteError::Conflict)?;
    from_payload(&payload).ok_or(WriteError::NotReadable)
}

/// The top-level field whose JSON is longest: the error suggests to leave it out.
fn largest_field(payload: &[u8]) -> Option<(String, usize)> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(payload).ok()?;
    let sizes = fields.into_iter().map(|(name, value)| (name, value.to_string().len()));
    sizes.max_by_key(|&(_, size)| size)
}
