//! The cookies of device binding, and what browsers are told about them.

use serde_json::json;

use crate::error::{SealError, WriteError};
use crate::headers::RequestFields;
use crate::ids::DeviceName;
use crate::session::{Current, Live, SessionData};
use crate::sessions::{Sessions, opening};
use crate::time::from_seconds;
use crate::token::{envelope, signed::PROOF_TEXT};

use super::endpoints::Endpoint;

impl<T: SessionData> Endpoint<'_, T> {
    /// The browser's instructions: JSON of the draft. The cookie that it names has the attributes of
    /// [`proof_cookie`](Self::proof_cookie), from the same function: a browser that finds other ones asks for a proof
    /// before each request.
    pub(super) fn instructions(&self, identifier: &str) -> String {
        let excluded = self.device.excluded.iter();
        let excluded: Vec<_> = excluded
            .map(|path| json!({ "type": "exclude", "domain": "*", "path": path }))
            .collect();
        let mut instructions = json!({
            "session_identifier": identifier,
            "refresh_url": self.device.refresh_path,
            "scope": { "include_site": false, "scope_specification": excluded },
            "credentials": [{
                "type": "cookie",
                "name": self.device.proof_name,
                "attributes": self.sessions.config().attributes.as_text(),
            }],
        });
        if !self.device.initiators.is_empty() {
            instructions["allowed_refresh_initiators"] = json!(self.device.initiators);
        }
        instructions.to_string()
    }

    /// The `Set-Cookie` line of a proof that is made now. It ends with the `lifetime`, in seconds, and in the browser
    /// after `max_age`.
    pub(super) fn proof_cookie(
        &self,
        device: DeviceName,
        lifetime: u64,
        max_age: u64,
        bind: &[u8],
        now: u64,
    ) -> Result<String, SealError> {
        let attributes = &self.sessions.config().attributes;
        let expires = now.saturating_add(lifetime).min(u32::MAX.into());
        attributes.write(&self.device.proof_name, PROOF_TEXT, Some(max_age), |line| {
            self.device_keys.proof.seal_proof(device, expires, bind, now, line)
        })
    }

    /// The `Set-Cookie` line that binds a session: the activity goes on as it was.
    pub(super) fn bound_activity_cookie(
        &self,
        live: &Live<T>,
        device: DeviceName,
        expires: u64,
        bind: &[u8],
        now: u64,
    ) -> Result<String, SealError> {
        let config = self.sessions.config();
        let max_age = live.facts.remembered.then_some(expires.saturating_sub(now));
        let length = envelope::BOUND_ACTIVITY_TEXT;
        config.attributes.write(&config.activity_name, length, max_age, |line| {
            self.keys
                .activity
                .seal_activity(live.facts.id, Some(device), expires, bind, now, line)
        })
    }
}

impl<T: SessionData> Sessions<T> {
    /// The value of a `Cookie` header field with a session that starts now and is bound to a device that has just proven
    /// itself, for an application's own tests. Otherwise as [`cookie_for`](Self::cookie_for).
    ///
    /// # Errors
    /// As [`Session::start`](crate::Session::start); [`WriteError::Expiry`] without device binding.
    ///
    /// ```
    /// use sealed_session::device::{DeviceBinding, DeviceState};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
    /// let cookie = sessions.proven_cookie_for(Login { user: 7 })?;
    /// let session = sessions.load(RequestFields::from_cookies([cookie]));
    /// assert_eq!(session.device(), DeviceState::Proven);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn proven_cookie_for(&self, data: T) -> Result<String, WriteError> {
        let now = self.now();
        let cookie = self.cookie_for_at(data, from_seconds(now))?;
        let fields = RequestFields::from_cookies([cookie.clone()]);
        let opening = opening::open_with(self, &fields, false, None, now);
        let keys = self.keys();
        let (Some(device), Some(device_keys), Current::Live(live)) =
            (&self.config().device, &keys.device, opening.current)
        else {
            return Err(WriteError::Expiry);
        };
        let endpoint = Endpoint {
            sessions: self,
            device,
            keys: &keys,
            device_keys,
        };
        let name = DeviceName([7; 16]);
        let active_until = live.facts.active_until.unwrap_or(live.facts.expires);
        let failed = |_: SealError| WriteError::Expiry;
        let lines = [
            endpoint
                .proof_cookie(name, device.proof_lifetime, 1, &[], now)
                .map_err(failed)?,
            endpoint
                .bound_activity_cookie(&live, name, active_until, &[], now)
                .map_err(failed)?,
        ];
        // The session's own cookies, without the activity cookie of a plain session.
        let session = cookie
            .split("; ")
            .filter(|pair| !pair.starts_with(&*self.config().activity_name));
        let bound = lines.iter().filter_map(|line| line.split(';').next());
        Ok(session.chain(bound).collect::<Vec<_>>().join("; "))
    }
}
