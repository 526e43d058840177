//! Steps 8 and 8b of opening: the activity of the opened sessions, and the proofs of their devices.

use crate::error::Reason;
use crate::few::Few;
use crate::headers::RequestFields;
use crate::ids::{DeviceName, SessionId};
use crate::session::{Binding, SessionData};
use crate::sessions::opening::MOST_OPENED;
use crate::sessions::opening::token::{Token, Verified};
use crate::sessions::{Keys, Sessions};
use crate::token::Activity;

/// What came beside the session cookies.
#[derive(Default)]
pub(super) struct Found<'t> {
    /// The verified activity tokens of opened sessions.
    activity: Few<Verified<'t>>,
    /// The devices that have proven themselves, and the Unix seconds of the proofs.
    proofs: Few<(DeviceName, u64)>,
}

impl<'t> Found<'t> {
    /// The activity token by which this session is active until `latest` at most, and whether the session is bound.
    /// Without `latest` no activity is asked for.
    pub(super) fn of(
        &self,
        id: SessionId,
        latest: Option<u64>,
        even_unproven: bool,
    ) -> Result<(Option<Verified<'t>>, Binding), Reason> {
        let Some(latest) = latest else {
            return Ok((None, Binding::Plain));
        };
        // A proof of the device outweighs a plain token, and that one a binding without a proof.
        let rank = |binding| match binding {
            Binding::Bound { proven: Some(_), .. } => 2,
            Binding::Plain | Binding::Offered => 1,
            Binding::Bound { proven: None, .. } => 0,
        };
        // A loop takes fewer instructions than `max_by_key`, and each request of a visitor who is seen comes by.
        let mut best: Option<((u8, u32), Verified<'t>, Binding)> = None;
        for &active in self.in_time(id, latest) {
            let binding = self.binding_to(active.1.device);
            let key = (rank(binding), active.1.head.expires);
            if best.is_none_or(|(other, ..)| other <= key) {
                best = Some((key, active, binding));
            }
        }
        match best {
            Some((_, _, Binding::Bound { proven: None, .. })) if !even_unproven => Err(Reason::Unproven),
            Some((_, active, binding)) => Ok((Some(active), binding)),
            None => Err(Reason::Idle),
        }
    }

    /// The binding to this device, with its last proof.
    fn binding_to(&self, device: Option<DeviceName>) -> Binding {
        let Some(device) = device else {
            return Binding::Plain;
        };
        let of_device = self.proofs.iter().filter(|(other, _)| *other == device);
        let proven = of_device.map(|&(_, proven)| proven).max();
        Binding::Bound { device, proven }
    }

    /// All of this session's that are valid.
    pub(super) fn valid(&self, id: SessionId, latest: Option<u64>) -> impl Iterator<Item = Activity> {
        let valid = latest.into_iter().flat_map(move |latest| self.in_time(id, latest));
        valid.map(|&(_, activity)| activity)
    }

    fn in_time(&self, id: SessionId, latest: u64) -> impl Iterator<Item = &Verified<'t>> {
        let is_of =
            move |activity: &Activity| activity.head.session_id == id && u64::from(activity.head.expires) <= latest;
        self.activity.iter().filter(move |(_, activity)| is_of(activity))
    }
}

/// The verified activity tokens that belong to one of the opened sessions, if any of those needs one, and the proofs of
/// the devices that they name.
pub(super) fn open<'t, T: SessionData>(
    sessions: &Sessions<T>,
    keys: &Keys<T>,
    fields: &'t RequestFields,
    opened: &Few<Token<'_, T>>,
    now: u64,
) -> Found<'t> {
    let lifetimes = sessions.config().lifetimes;
    let needs_activity = |token: &Token<'_, T>| lifetimes.of(token.frame().remembered).idle.is_some();
    if !opened.iter().any(needs_activity) {
        return Found::default();
    }
    let activity = open_activity(sessions, keys, fields, opened, now);
    #[cfg(feature = "device")]
    let proofs = open_proofs(sessions, keys, fields, &activity, now);
    #[cfg(not(feature = "device"))]
    let proofs = Few::default();
    Found { activity, proofs }
}

fn open_activity<'t, T: SessionData>(
    sessions: &Sessions<T>,
    keys: &Keys<T>,
    fields: &'t RequestFields,
    opened: &Few<Token<'_, T>>,
    now: u64,
) -> Few<Verified<'t>> {
    let mut verified = Few::default();
    let mut left = 0..MOST_OPENED;
    for text in fields.cookies(&sessions.config().activity_name) {
        let kept = || {
            opened.iter().filter_map(|token| match token {
                Token::Kept(kept) => Some(kept),
                Token::Opened { .. } => None,
            })
        };
        if let Some(activity) = kept().find_map(|kept| kept.activity(text)) {
            if activity.head.check_time(now).is_err() {
                continue;
            }
            if left.next().is_none() {
                break;
            }
            verified.push((text, activity));
            continue;
        }
        let device_binding = sessions.config().has_device_binding();
        let Ok(screened) = keys.activity.screen_activity(text, device_binding, now) else {
            continue;
        };
        let id = screened.head.session_id;
        if opened.iter().any(|session| session.head().session_id == id)
            && let Ok(token) = screened.decode()
        {
            if left.next().is_none() {
                break;
            }
            if let Ok(activity) = keys.activity.open_activity(&token, fields.bind()) {
                verified.push((text, activity));
                kept()
                    .filter(|kept| kept.head.session_id == id)
                    .for_each(|kept| kept.set_activity(text, activity));
            }
        }
    }
    verified
}

/// The valid proofs of the devices to which one of the sessions is bound.
#[cfg(feature = "device")]
fn open_proofs<T: SessionData>(
    sessions: &Sessions<T>,
    keys: &Keys<T>,
    fields: &RequestFields,
    activity: &Few<Verified<'_>>,
    now: u64,
) -> Few<(DeviceName, u64)> {
    let mut proofs = Few::default();
    let devices = || activity.iter().filter_map(|(_, activity)| activity.device);
    let (Some(device), Some(keys), Some(_)) = (&sessions.config().device, &keys.device, devices().next()) else {
        return proofs;
    };
    let mut left = 0..MOST_OPENED;
    // A proof that the browser was asked to renew is in the marker until it has.
    let asked = fields.cookies(&device.asked_name);
    for text in fields.cookies(&device.proof_name).chain(asked) {
        let screened = keys.proof.screen_proof(text, now);
        let Some(token) = screened
            .ok()
            .filter(|token| devices().any(|device| device == token.claimed_device()))
        else {
            continue;
        };
        if left.next().is_none() {
            break;
        }
        if let Ok(proof) = keys.proof.open_proof(&token, fields.bind(), device.proof_lifetime, now) {
            proofs.push((proof.device, proof.proven));
        }
    }
    proofs
}
