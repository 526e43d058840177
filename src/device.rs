//! Sessions bound to the visitor's device (feature `device`, **experimental**), without a table on the server.
//!
//! A stolen copy of the cookies dies within minutes, since only the visitor's browser can prove the key of the device:
//! Device Bound Session Credentials, a W3C draft that Chromium's browsers implement over https. Other browsers ignore
//! it, and their sessions stay as they are. [docs/device-binding.md][page] says what it gives and what it does not, and
//! what must not stand in front of the endpoints.
//!
//! [`Builder::device_binding`](crate::Builder::device_binding) switches it on. [`Session::device`] says whether a
//! session is bound, and [`Session::require_proof`] asks for a proof before something important.
//!
//! [page]: https://github.com/sealed-session/sealed-session/blob/main/docs/device-binding.md

mod answer;
mod cookies;
mod endpoints;
mod proof;

use std::time::Duration;

use time::OffsetDateTime;

use crate::error::Reason;
use crate::session::{Binding, Current, SessionData, SessionState};
use crate::sessions::Session;
use crate::sessions::device_binding::Device;
use crate::time::from_seconds;

pub use self::answer::Answer;
pub use crate::sessions::device_binding::DeviceBinding;

/// Whether a session is bound to a device, and whether that device has proven itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceState {
    /// There is no session, or one that is bound to no device: the browser cannot do it, or has not done it yet.
    Unbound,
    /// The session is bound, and no valid proof of the device came. Unless device binding is
    /// [being introduced](DeviceBinding::introduce), there is no session then.
    Unproven,
    /// The session is bound, and the device has proven itself within the [lifetime of
    /// proofs](DeviceBinding::proof_lifetime).
    Proven,
}

impl<T: SessionData> Session<T> {
    /// Whether the session is bound to a device (feature `device`).
    ///
    /// ```
    /// use sealed_session::device::{DeviceBinding, DeviceState};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let session = sessions.load(RequestFields::from_cookies([cookie]));
    /// assert_eq!(session.device(), DeviceState::Unbound); // this client has registered no device
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn device(&self) -> DeviceState {
        match self.binding() {
            Ok(binding) => state_of(binding),
            Err(state) if is_unproven(state) => DeviceState::Unproven,
            Err(_) => DeviceState::Unbound,
        }
    }

    /// When the device proved itself last, in whole seconds UTC; `None` if the session is unbound or unproven (feature
    /// `device`).
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<u64>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let session = sessions.load(RequestFields::from_cookies([sessions.proven_cookie_for(7)?]));
    /// assert_eq!(session.proven(), session.started()); // this cookie was made a moment ago
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn proven(&self) -> Option<OffsetDateTime> {
        match self.binding() {
            Ok(Binding::Bound { proven, .. }) => proven.map(from_seconds),
            _ => None,
        }
    }

    /// Requires a proof of the device that is at most this old: call it before a change of password or a payment,
    /// before anything is changed. A copy of the cookies is worth nothing there once its proof is older.
    ///
    /// An older proof gives an [`Answer`] to send in place of a response: a 307 to the same address, upon which the
    /// browser proves itself and repeats the request with its body. A thief fails there. Without a bound and proven
    /// session the answer is a 403 at once: look at [`device`](Self::device) first, and ask visitors whose browsers
    /// cannot do it for the password instead. It is a 403 too if another site began the request, and if the repeated one
    /// brings no younger proof. A cookie of 30 seconds tells that, and holds the proof before: the 403 puts it back, so
    /// that a browser that cannot make another one stays signed in until it ends.
    ///
    /// `within` counts from the proof itself, in whole seconds; less than 10 seconds are 10, the time that the browser
    /// has. If the body is read before, an upload counts too. A proof that malware recorded on the device can be used
    /// for a minute.
    ///
    /// The adapters give the session the address of the request; without them,
    /// [`RequestFields::with_target`](crate::RequestFields::with_target) does.
    ///
    /// # Errors
    /// The answer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let session = sessions.load(RequestFields::from_cookies([cookie]));
    /// let answer = session.require_proof(Duration::from_secs(60)).expect_err("it is bound to no device");
    /// assert_eq!(answer.status(), 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn require_proof(&self, within: Duration) -> Result<(), Answer> {
        let proven = match self.binding() {
            Ok(Binding::Bound { proven, .. }) => proven,
            _ => None,
        };
        let (Some(device), Some(proven)) = (&self.sessions().config().device, proven) else {
            return Err(forbidden(self.device()));
        };
        if self.now().saturating_sub(proven) <= within.as_secs().max(10) {
            return Ok(());
        }
        let refused = || self.put_back(device, forbidden(DeviceState::Proven));
        Err(self.repeat(device).unwrap_or_else(refused))
    }

    /// The answer that makes the browser prove itself before the handler runs, if it has not and can: browsers prove
    /// nothing when another site's link leads here. The extractors of the adapters send it by themselves.
    ///
    /// For a page (`GET`, `Sec-Fetch-Dest: document`) that another site leads to, with a bound session that is
    /// unproven, it is a page that loads the same address again: that request comes from here, and proven. If the proof
    /// of another device came, it is a 307 to the same address that removes it. Neither happens twice in a row. `None`
    /// in every other case: let the handler run.
    ///
    /// With the page, a visit that another site began becomes one of this site's own. Checks against requests of other
    /// sites, by `Sec-Fetch-Site` or `Origin`, belong before it.
    ///
    /// ```
    /// use sealed_session::device::DeviceBinding;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<u64>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let proven = sessions.proven_cookie_for(7)?;
    /// let unproven = proven.replace("__Host-id-proof=", "other=");
    /// for (cookies, status) in [(proven, None), (unproven, Some(200))] {
    ///     let fields = RequestFields::from_cookies([cookies]).with_target("GET", "/orders");
    ///     let fields = fields.with_sec_fetch_dest("document").with_sec_fetch_site("cross-site");
    ///     let answer = sessions.load(fields).prove_first();
    ///     assert_eq!(answer.map(|answer| answer.status()), status);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn prove_first(&self) -> Option<Answer> {
        let device = self.sessions().config().device.as_ref()?;
        let fields = self.fields();
        let is_page = fields.target().is_some_and(|(method, _)| method == "GET");
        let comes_from_elsewhere = matches!(fields.sec_fetch_site(), Some("cross-site" | "same-site"));
        let has_proof = || fields.cookies(&device.proof_name).next().is_some();
        if !is_page || fields.sec_fetch_dest() != Some("document") || !(comes_from_elsewhere || has_proof()) {
            return None;
        }
        let is_unproven = match self.peeked()? {
            Current::Live(live) => state_of(live.facts.binding) == DeviceState::Unproven,
            Current::None(state) => is_unproven(*state),
        };
        match comes_from_elsewhere {
            _ if !is_unproven => None,
            true => Some(Answer::new(200).with_body("text/html; charset=utf-8", STEP)),
            false => self.repeat(device),
        }
    }

    /// The answer that removes the proof and makes the browser repeat the request, which it does with another proof.
    /// `None` if it was asked a moment ago, and if another site began the request: then browsers prove nothing.
    fn repeat(&self, device: &Device) -> Option<Answer> {
        let fields = self.fields();
        let was_asked = fields.cookies(&device.asked_name).next().is_some();
        if was_asked || !matches!(fields.sec_fetch_site(), Some("same-origin" | "none")) {
            return None;
        }
        let (_, address) = fields.target()?;
        // Browsers encode what is not visible ASCII.
        if !address.starts_with('/') || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // Relative to the address in the browser, whose beginning a router or a proxy may have taken away. With the dot,
        // no path can lead to another host.
        let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
        let last = path.rsplit('/').next().unwrap_or_default();
        let attributes = &self.sessions().config().attributes;
        let answer = Answer::new(307).with("Location", format!("./{last}{query}"));
        let answer = answer.with_removal(attributes, &device.proof_name);
        const SECONDS: u64 = 30;
        let (proof, _) = self.proof_in(&device.proof_name).unwrap_or(("1", 0));
        Some(answer.with(
            "Set-Cookie",
            attributes.write_value(&device.asked_name, &[proof], Some(SECONDS)),
        ))
    }

    /// The answer, with the proof that was removed before if the browser has made no other one: the visitor stays signed
    /// in until it ends.
    fn put_back(&self, device: &Device, answer: Answer) -> Answer {
        let Some((proof, expires)) = self.proof_in(&device.asked_name) else {
            return answer;
        };
        let attributes = &self.sessions().config().attributes;
        let answer = answer.with_removal(attributes, &device.asked_name);
        match expires.checked_sub(self.now() + 60) {
            Some(seconds @ 1..) if self.proof_in(&device.proof_name).is_none() => answer.with(
                "Set-Cookie",
                attributes.write_value(&device.proof_name, &[proof], Some(seconds)),
            ),
            _ => answer,
        }
    }

    /// The first value of this cookie that claims to be a proof of the session's device, and until when.
    fn proof_in(&self, name: &str) -> Option<(&str, u64)> {
        let keys = self.sessions().keys();
        let (keys, live) = (keys.device.as_ref()?, self.peeked()?.live()?);
        let device = live.facts.binding.device()?;
        self.fields().cookies(name).find_map(|text| {
            let token = keys.proof.screen_proof(text, self.now()).ok()?;
            let is_of_device = token.claimed_device() == device;
            let text = str::from_utf8(text).ok().filter(|_| is_of_device)?;
            Some((text, token.expires()))
        })
    }
}

fn state_of(binding: Binding) -> DeviceState {
    match binding {
        Binding::Plain | Binding::Offered => DeviceState::Unbound,
        Binding::Bound { proven: None, .. } => DeviceState::Unproven,
        Binding::Bound { proven: Some(_), .. } => DeviceState::Proven,
    }
}

fn is_unproven(state: SessionState) -> bool {
    state == SessionState::Rejected(Reason::Unproven)
}

/// The answer where a bound session, or a newer proof, is needed.
pub(crate) fn forbidden(state: DeviceState) -> Answer {
    let text = match state {
        DeviceState::Unbound => "this needs a session that is bound to a device",
        DeviceState::Unproven | DeviceState::Proven => "this needs a new proof of your device; try again",
    };
    Answer::new(403).with_body("text/plain; charset=utf-8", text)
}

/// It loads the same address again, and is left out of the browser's history.
const STEP: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0\">\
                    <title>One moment</title><p><a href=\"\">Continue</a></p></html>";
