//! How a request's session ends: its row of the table, the cookies that are sealed, the header fields of the response.

mod cookies;

#[cfg(any(feature = "tower", feature = "actix"))]
use std::thread;

#[cfg(feature = "device")]
use crate::error::Reason;
use crate::few::Few;
use crate::headers::{CacheRule, Patch, ResponseHeaders};
use crate::session::event::Event;
#[cfg(feature = "device")]
use crate::session::{Binding, SessionState};
use crate::session::{Change, Current, Ending, Facts, Genuine, Live, SessionData, Touched};
use crate::sessions::handle::Session;
use crate::sessions::table::{CookieAction, Outcome, Row, takes_cookie};

impl<T: SessionData> Session<T> {
    /// Ends the session's part in this request and writes it into the header fields of the response of this status:
    /// `Set-Cookie`, `Cache-Control`, `Vary`, and the fields that speak to one cache only. It cannot fail: data that
    /// could not be sealed were refused when they were written. Later writes are errors.
    ///
    /// Call it after everything that sets header fields or the status, such as compression, CORS and `ETag`, and before
    /// a response cache stores the response. The documentation of `SessionLayer` draws the order and has the reasons.
    ///
    /// A second call, or one from a callback of the opening, sends no cookie, keeps the response private and is an
    /// [`Event::FinishIgnored`]. A session that has ended since it was written, by the clock or by a revocation, is not
    /// sent either: [`Event::EndedMeanwhile`].
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// let mut headers = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
    /// session.finish(200, &mut headers);
    /// let values = |name| headers.iter().filter(move |line| line.0 == name).map(|line| line.1.as_str());
    /// assert!(values("Cache-Control").eq(["private, no-store"]));
    /// assert_eq!(values("Set-Cookie").count(), 2);
    /// assert!(session.start(Login { user: 8 }).is_err()); // too late
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(&self, status: u16, headers: &mut (impl ResponseHeaders + ?Sized)) {
        self.finish_patch(status).apply(headers);
    }

    /// Finishes like [`finish`](Self::finish), but returns a [`Patch`] to apply: for frameworks that take cookies in
    /// their own way, and for tests.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// let patch = session.finish_patch(200);
    /// let mut headers: Vec<(String, String)> = Vec::new();
    /// patch.apply(&mut headers);
    /// let applied = headers.iter().filter(|(name, _)| name == "Set-Cookie").map(|(_, line)| line.as_str());
    /// assert!(patch.set_cookies().eq(applied));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish_patch(&self, status: u16) -> Patch {
        self.finish_by(status, false)
    }

    /// Finishes, and sends cookies with a session where the old application keeps it only if `always`.
    pub(super) fn finish_by(&self, status: u16, always: bool) -> Patch {
        match self.close() {
            Some(Ending::Touched(touched)) => {
                let sends = always || !self.stays_with_old_cookie();
                self.patch_of(&touched, status, sends)
            }
            Some(Ending::Untouched) => self.patch(Outcome::Untouched.row(false, false).cache),
            None => {
                self.sessions().observe(&Event::FinishIgnored);
                self.patch(CacheRule::Private)
            }
        }
    }

    /// Ends the session's part in a request that gets no response from here: writes are lost, and so is the removal of
    /// the cookies. Nothing is sealed, and no event says that anything was sent. A sign-out has revoked the session
    /// already.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) fn abandon(&self) {
        const FAILED: u16 = 500;
        if let Some(Ending::Touched(touched)) = self.close_unopened()
            && matches!(Outcome::of(&touched, FAILED, false), Outcome::Ended | Outcome::Discarded)
            // An observer that panics while a panic unwinds would end the process.
            && !thread::panicking()
        {
            self.sessions().observe(&Event::WriteDiscarded { status: FAILED });
        }
    }

    fn patch(&self, cache: CacheRule) -> Patch {
        Patch {
            cookies: Few::default(),
            cache,
            vary_field: self.sessions().config().vary_field.clone(),
            clear_site_data: false,
            offer: None,
            watch: self.sessions().shared.watch.clone(),
        }
    }

    /// Whether the request is for an endpoint of device binding, which sends cookies of the session itself.
    fn is_for_endpoint(&self) -> bool {
        #[cfg(feature = "device")]
        if let (Some(device), Some((_, address))) = (&self.sessions().config().device, self.shared.fields.target()) {
            let path = address.split('?').next();
            return path == Some(&*device.register_path) || path == Some(&*device.refresh_path);
        }
        false
    }

    /// Whether this request counts as activity, and a new activity cookie is due.
    fn renewal_is_due(&self, live: &Live<T>, now: u64) -> bool {
        let config = self.sessions().config();
        let lifetime = config.lifetimes.of(live.facts.remembered);
        let expires = live.facts.expires;
        let (Some(old), Some(new)) = (live.facts.active_until, lifetime.active_until(now, expires)) else {
            return false;
        };
        lifetime.renewal_is_due(old, new, expires)
            && !self.is_for_endpoint()
            && !self.shared.fields.is_prefetch()
            && config
                .touch_if
                .as_ref()
                .is_none_or(|counts| counts(&self.shared.fields))
    }

    fn patch_of(&self, touched: &Touched<'_, T>, status: u16, sends: bool) -> Patch {
        let config = self.sessions().config();
        let mut outcome = Outcome::of(touched, status, config.write_on_server_error);
        let (live, done) = (touched.last.live(), touched.done);
        let now = self.now();
        if outcome == Outcome::Discarded || (outcome == Outcome::Ended && live.is_some()) {
            self.sessions().observe(&Event::WriteDiscarded { status });
        }
        if let Some(live) = live
            && !matches!(outcome, Outcome::Discarded | Outcome::Ended)
            && (live.facts.expires <= now || self.was_refused_meanwhile(touched, live, outcome))
        {
            if done.change != Change::None {
                self.observe_end(touched, live);
            }
            // A session that was started after a sign-out is not sent, the sign-out is.
            outcome = if done.ended {
                Outcome::Ended
            } else {
                Outcome::ReadRejected
            };
        }
        let is_due = |live| done.touch || self.renewal_is_due(live, now);
        let renewal = takes_cookie(status) && live.is_some_and(is_due);
        let active = live.is_some_and(|live| config.lifetimes.of(live.facts.remembered).idle.is_some());
        let mut row = outcome.row(renewal && active, active);
        if !sends {
            row = row.without_sending();
        }
        let mut patch = self.patch(row.cache);
        patch.clear_site_data = config.clear_site_data && outcome == Outcome::Ended;
        if let Some(live) = live
            && self.add_sent(&mut patch, live, row, now).is_none()
        {
            self.observe_end(touched, live);
            return self.patch(CacheRule::Private);
        }
        // The session cookie's removal comes last: curl up to 7.88 keeps all but the last cookie that one response
        // removes.
        self.add_device(&mut patch, touched, outcome, row, status, now);
        self.remove_old_cookie(&mut patch, outcome, status);
        if row.session == CookieAction::Remove {
            self.remove_chunks(&mut patch, 1);
        }
        for (action, name) in [(row.activity, &config.activity_name), (row.session, &config.name)] {
            if action == CookieAction::Remove {
                patch.cookies.push(config.attributes.write_removal(name));
            }
        }
        if sends || outcome == Outcome::Ended {
            self.report(touched, outcome, row);
        }
        // Last: if an observer panics before, this response is lost, and the visitor keeps the session that came.
        if let Some(came) = touched.first.live()
            && sends
            && outcome == Outcome::Cycled
            && done.change == Change::Cycled
            && self.sessions().counts_as_signed_in(&came.content.data)
        {
            self.sessions().give_up(came.facts.id, now);
        }
        if let Some(live) = live
            && sends
            && matches!(outcome, Outcome::Cycled | Outcome::Started)
            && matches!(done.change, Change::Replaced | Change::Started)
        {
            // A guest's session is revoked if a sign-in takes its place, so that a late response to the guest does not
            // undo the sign-in. If the request ended a session before, all others are revoked already.
            let is_sign_in = self.sessions().counts_as_signed_in(&live.content.data);
            let ends = |came: &Genuine| if came.is_guest { is_sign_in } else { !done.ended };
            self.sessions().end(touched.genuine, ends, now);
        }
        patch
    }

    /// With device binding: offers to register a device for a session that starts, and removes the proof that came with
    /// a session that ends, or with one that is bound to another device. Without it the browser proves the right one.
    #[cfg(feature = "device")]
    fn add_device(
        &self,
        patch: &mut Patch,
        touched: &Touched<'_, T>,
        outcome: Outcome,
        row: Row,
        status: u16,
        now: u64,
    ) {
        let config = self.sessions().config();
        let keys = self.sessions().keys();
        let (Some(device), Some(keys)) = (&config.device, &keys.device) else {
            return;
        };
        let live = touched.last.live();
        let offered = live.filter(|live| {
            let is_sent = row.session == CookieAction::Send && live.facts.binding == Binding::Offered;
            is_sent && device.offer && self.sessions().counts_as_signed_in(&live.content.data)
        });
        if let Some(live) = offered
            && let Some([random @ .., _, _, _, _]) = self.shared.salt.get()
        {
            let bind = self.shared.fields.bind();
            patch.offer = keys.offer(&device.register_path, live.facts.id, random, bind, now);
        }
        let is_unproven = match touched.first {
            Current::None(state) => *state == SessionState::Rejected(Reason::Unproven),
            Current::Live(live) => matches!(live.facts.binding, Binding::Bound { proven: None, .. }),
        };
        let is_stray = is_unproven && self.shared.fields.cookies(&device.proof_name).next().is_some();
        if outcome == Outcome::Ended || (is_stray && takes_cookie(status) && !self.is_for_endpoint()) {
            patch.cookies.push(config.attributes.write_removal(&device.proof_name));
            patch.cache = CacheRule::NoStore;
        }
        // The browser was asked for a proof, and has made one.
        let came = |name: &str| self.shared.fields.cookies(name).next().is_some();
        if takes_cookie(status) && came(&device.asked_name) && came(&device.proof_name) {
            patch.cookies.push(config.attributes.write_removal(&device.asked_name));
            patch.cache = CacheRule::NoStore;
        }
    }

    #[cfg(not(feature = "device"))]
    #[expect(clippy::unused_self, reason = "it has a session with the feature")]
    fn add_device(&self, _: &mut Patch, _: &Touched<'_, T>, _: Outcome, _: Row, _status: u16, _now: u64) {}

    /// Reports that the session that came ended meanwhile; if none came, the one that started here.
    fn observe_end(&self, touched: &Touched<'_, T>, live: &Live<T>) {
        let Facts { id, .. } = touched.first.live().unwrap_or(live).facts;
        self.sessions().observe(&Event::EndedMeanwhile { id });
    }

    /// Whether the session that this request opened was revoked or cut off while the request was served, or is now
    /// refused by the application. Then the request must not carry it on by a write, least of all under a new id. Nor
    /// may it start another session, which could have the old one's data, unless that follows its own sign-out.
    ///
    /// The application's check sees the data as they would be written: a request that raised the generation in the
    /// user's record and in its own session keeps that session, and the user's other sessions end.
    fn was_refused_meanwhile(&self, touched: &Touched<'_, T>, last: &Live<T>, outcome: Outcome) -> bool {
        let Touched { first, done, .. } = touched;
        let Some(came) = first.live().filter(|_| !done.ended) else {
            return false;
        };
        // A guest who signs in had nothing to sign out of: a second click on "sign in" finds the guest's session
        // revoked by the first click, whose response the browser has dropped.
        let is_signed_in = |live: &Live<T>| self.sessions().counts_as_signed_in(&live.content.data);
        let signs_in = done.change >= Change::Replaced && !is_signed_in(came) && is_signed_in(last);
        let Facts {
            id, started, opened, ..
        } = came.facts;
        // A start ahead of the clock passes no cut-off that was raised since the opening.
        (!signs_in && self.sessions().is_revoked(id, started.min(opened)))
            // Another request has sent the session under a new id.
            || (touched.is_adopted && self.sessions().is_spent(id))
            || (outcome != Outcome::Started && self.sessions().refuses(&last.content.data, id, last.facts.started))
    }

    fn report(&self, touched: &Touched<'_, T>, outcome: Outcome, row: Row) {
        let observe = |event| self.sessions().observe(&event);
        let id = |current: &Current<T>| current.live().map(|live| live.facts.id);
        let came = id(touched.first);
        if outcome == Outcome::Ended {
            observe(Event::Ended { id: came });
        }
        let Some(id) = id(touched.last) else {
            return;
        };
        match (outcome, came) {
            (Outcome::Started, _) => observe(Event::Started { id }),
            (Outcome::Cycled, Some(previous)) if previous != id => observe(Event::Cycled { id, previous }),
            (Outcome::Cycled | Outcome::Written, _) => observe(Event::Updated { id }),
            _ => {}
        }
        if row.activity == CookieAction::Send && matches!(outcome, Outcome::ReadValid | Outcome::Written) {
            observe(Event::Touched { id });
        }
    }
}
