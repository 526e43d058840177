//! The cookies of a response that are sealed: the session, in one cookie or in several, and its activity.

use crate::headers::Patch;
use crate::session::{Facts, Live, SessionData};
use crate::sessions::handle::Session;
use crate::sessions::layout::Layout;
use crate::sessions::table::{CookieAction, Row};
use crate::token::envelope::{ACTIVITY_TEXT, BOUND_ACTIVITY_TEXT, CHUNKED_OVERHEAD, Frame};
use crate::token::{State, base64url};

impl<T: SessionData> Session<T> {
    /// Seals the cookies that the row sends; `None` if the clock has left the format's range.
    pub(super) fn add_sent(&self, patch: &mut Patch, live: &Live<T>, row: Row, now: u64) -> Option<()> {
        let config = self.sessions().config();
        let keys = self.sessions().keys();
        let Facts { id, remembered, .. } = live.facts;
        // A start ahead of this clock (by less than the leeway) moves back to it, and the expiry with it.
        let started = live.facts.started.min(now);
        let expires = live.facts.expires.min(config.lifetimes.expires(started, remembered));
        // A persistent cookie lasts exactly as long as its token; any other ends with the browser's session.
        let max_age = |expires: u64| remembered.then_some(expires - now);
        if row.session == CookieAction::Send {
            let frame = Frame {
                started: started.try_into().ok()?,
                sealed: now.try_into().ok()?,
                remembered,
            };
            let payload = live.content.payload();
            let payload = payload.as_bytes();
            let Layout { chunks, padding } = config.layout(payload.len(), payload.len()).ok()?;
            let state = State {
                session_id: id,
                expires,
                frame,
                payload,
                padding,
                chunks,
            };
            // Every write that leads here has drawn a salt.
            let salt = self.shared.salt.get()?;
            // Room for the token, whatever its kind.
            let length = base64url::encoded_len(CHUNKED_OVERHEAD + payload.len() + padding);
            let seal = |text: &mut String| {
                let bind = self.shared.fields.bind();
                keys.session.seal_session(&state, bind, now, salt, text)
            };
            if chunks > 1 {
                let mut text = String::with_capacity(length);
                seal(&mut text).ok()?;
                self.add_chunks(patch, &text, max_age(expires));
            } else {
                let line = config.attributes.write(&config.name, length, max_age(expires), seal);
                self.remove_chunks(patch, chunks);
                patch.cookies.push(line.ok()?);
            }
        }
        let lifetime = config.lifetimes.of(remembered);
        if row.activity == CookieAction::Send
            && let Some(expires) = lifetime.active_until(now, expires)
        {
            let device = live.facts.binding.device();
            let length = device.map_or(ACTIVITY_TEXT, |_| BOUND_ACTIVITY_TEXT);
            let line = config
                .attributes
                .write(&config.activity_name, length, max_age(expires), |line| {
                    keys.activity
                        .seal_activity(id, device, expires, self.shared.fields.bind(), now, line)
                })
                .ok()?;
            patch.cookies.push(line);
        }
        Some(())
    }

    /// The cookies of a session in chunks, the first one last: it makes the others count.
    fn add_chunks(&self, patch: &mut Patch, text: &str, max_age: Option<u64>) {
        let config = self.sessions().config();
        let (first, others) = config.lengths().cut(text);
        let mut chunks = 1;
        for ((number, tie, rest), name) in others.zip(&config.chunk_names) {
            let line = config.attributes.write_value(name, &[tie, rest], max_age);
            patch.cookies.push(line);
            chunks = number;
        }
        self.remove_chunks(patch, chunks);
        let line = config.attributes.write_value(&config.name, &[first], max_age);
        patch.cookies.push(line);
    }

    /// Removes the cookies that came beyond this many of a session. They belong to none from now on.
    pub(super) fn remove_chunks(&self, patch: &mut Patch, chunks: u8) {
        let config = self.sessions().config();
        // Our other cookies have no dot, so that most requests have none.
        if !self.shared.fields.have(b'.') {
            return;
        }
        for name in &config.chunk_names[usize::from(chunks) - 1..] {
            if self.shared.fields.cookies(name).next().is_some() {
                patch.cookies.push(config.attributes.write_removal(name));
            }
        }
    }
}
