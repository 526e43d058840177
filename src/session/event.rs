//! Events of sessions and keys, for logs and metrics: names, ids and reasons, never session data.

mod text;

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::{Reason, RevocationsError};
use crate::ids::{KeyId, SessionId};

/// Receives an [`Event`] whenever something happens to a session or to the keys.
///
/// It is called while a request is served, so it must be quick. Every `Fn(&Event)` is an observer.
pub trait Observer: Send + Sync {
    /// Called once per event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// How much an [`Event`] matters to the people who run the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// The usual life of a session, and events that any client can cause with made-up cookies.
    Debug,
    /// Rare, or worth counting.
    Info,
    /// An operator should look at it.
    Warn,
    /// A promise is broken: a sign-out will be forgotten.
    Error,
}

impl fmt::Display for Level {
    /// `debug`, `info`, `warn` or `error`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Something that happened to a session or to the keys.
///
/// [`name`](Self::name), [`level`](Self::level) and [`fields`](Self::fields) are for logs and counters, which need not
/// know the variants; `Display` is a sentence for people. No event contains a secret, a token or session data.
///
/// ```
/// use sealed_session::{Event, Key, KeyRing, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// fn log(event: &Event) {
///     let mut line = format!("{} {}", event.level(), event.name());
///     event.fields(&mut |name, value| line += &format!(" {name}={value}"));
///     eprintln!("{line}: {event}");
/// }
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).observer(log).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session started; its cookies are in the response.
    Started {
        /// The new session.
        id: SessionId,
    },
    /// Session data changed; the new session cookie is in the response.
    Updated {
        /// The session.
        id: SessionId,
    },
    /// A session got a new id; its cookies are in the response.
    Cycled {
        /// The new id.
        id: SessionId,
        /// The id that it had. Copies of the old token stay valid unless it is revoked.
        previous: SessionId,
    },
    /// A new activity cookie is in the response.
    Touched {
        /// The session.
        id: SessionId,
    },
    /// The response removes the cookies.
    Ended {
        /// The session that was valid before, if there was one.
        id: Option<SessionId>,
    },
    /// The request has a cookie of ours, but no session opened.
    Rejected {
        /// Of several cookies, the reason of the one that got furthest.
        reason: Reason,
        /// The id of a token that is genuine (it passed steps 1 to 6 of SPEC.md, *Opening*); `None` for mere claims.
        id: Option<SessionId>,
        /// The key that the token names: a mere claim unless there is an `id`. `None` if the value is no token.
        key_id: Option<KeyId>,
    },
    /// Within a minute, a fifth or more of the cookies that this server looked at were refused for one reason, and at
    /// least 20.
    ///
    /// Reported with the next cookie after that minute, at most once a minute for each reason. A request counts
    /// once, however many cookies it brought.
    ManyRejected {
        /// The reason.
        reason: Reason,
        /// How many were refused for it.
        count: u64,
        /// How many were looked at.
        total: u64,
        /// The keys that they named most often, at most three, the commonest first: claims, as in `Rejected`.
        key_ids: Vec<KeyId>,
    },
    /// A device proved its key for the first time, and the session is bound to it from now on (feature `device`).
    Bound {
        /// The session.
        id: SessionId,
    },
    /// The device of a bound session has proven itself again.
    Proven {
        /// The session.
        id: SessionId,
    },
    /// A bound session without a valid proof of its device was a session all the same, since device binding is
    /// being introduced (`DeviceBinding::introduce`). Without that it is a `Rejected` for
    /// [`Reason::Unproven`]. Links from other sites, a proof endpoint out of order and a browser's quota look like
    /// theft here.
    Unproven {
        /// The session.
        id: SessionId,
    },
    /// An endpoint of device binding refused a device. A browser that was signed out or signed in anew causes one.
    ProofRefused {
        /// What was refused: `"session"`, `"device key"`, `"challenge"`, `"proof"` or `"signature"`.
        step: &'static str,
        /// Why it did not open, where that is the reason.
        reason: Option<Reason>,
        /// The session that opened.
        id: Option<SessionId>,
    },
    /// Several cookies of the same name came: another subdomain set one, or the `Domain` was changed.
    DuplicatesSeen {
        /// How many.
        count: usize,
    },
    /// A cookie of another library became the session ([`Builder::adopt`](crate::Builder::adopt)).
    Adopted {
        /// Its id, a hash of that cookie.
        id: SessionId,
        /// How many requests these `Sessions` have adopted one for.
        total: u64,
    },
    /// A cookie of another library came without one of ours, and did not become the session.
    NotAdopted {
        /// Why. [`NotOurs`](Reason::NotOurs) says that `read` returned nothing, [`Expired`](Reason::Expired) that the time
        /// for `adopt` is over, and [`Payload`](Reason::Payload) that the data do not fit in a session.
        reason: Reason,
        /// The id that it would have, if it could be read.
        id: Option<SessionId>,
        /// How many requests these `Sessions` have adopted none for.
        total: u64,
    },
    /// A cookie of a session in chunks did not come, so that the session was rejected as
    /// [`Incomplete`](Reason::Incomplete): a proxy or the browser dropped it, or two responses have crossed.
    ChunkMissing {
        /// The number of the cookie: 2 for the one whose name ends in `.2`. There may be others.
        chunk: u8,
        /// How many cookies the session takes.
        chunks: u8,
    },
    /// A write was refused because the session would be too large.
    TooLarge {
        /// Its size in bytes, as in [`WriteError::TooLarge`](crate::WriteError::TooLarge).
        size: usize,
        /// The largest size allowed, in bytes.
        limit: usize,
        /// The option of the builder that sets the limit.
        option: &'static str,
    },
    /// The session was read for the first time after the header block was sent; the read gave no session.
    ReadTooLate,
    /// A write after the header block was sent; the caller got an error.
    WriteTooLate,
    /// Session data was written but not sent: the response failed or takes no cookie (1xx, 304, 5xx), or the session
    /// was never finished.
    WriteDiscarded {
        /// The response's status; 500 where there was no response or no [`finish`](crate::Session::finish): then a
        /// sign-out has revoked the session, and the browser keeps its cookies.
        status: u16,
    },
    /// The session ended while a request was being served that wrote to it or started another. Its writes are not
    /// sent.
    EndedMeanwhile {
        /// The session that came, or the one that started here if none did.
        id: SessionId,
    },
    /// `finish` was called a second time, or by a callback of the opening: no cookie was sent, and the response stays
    /// private.
    FinishIgnored,
    /// A session id was revoked on this server.
    Revoked {
        /// The id.
        id: SessionId,
    },
    /// The cut-off was raised, on this server or by what its [`Revocations`](crate::revocation::Revocations) merged:
    /// sessions that started before this Unix second are refused.
    CutOffRaised {
        /// Unix seconds.
        to: u64,
    },
    /// The [`Revocations`](crate::revocation::Revocations) hold 80 % of what they have room for. Reported again after
    /// they held less than 75 %.
    RevocationsNearlyFull {
        /// How many entries they hold.
        entries: usize,
        /// How many they have room for.
        most: usize,
    },
    /// The [`Revocations`](crate::revocation::Revocations) are full: the entries that end first made room. Copies of
    /// those sessions open again.
    RevocationsFull {
        /// How many entries went before their time.
        dropped: usize,
        /// How many the list has room for.
        most: usize,
    },
    /// A [`RevocationFile`](crate::revocation::RevocationFile) could not be read and was put aside. The start continued
    /// with the entries before the damage.
    RevocationFilePutAside {
        /// The copy of what it held.
        path: PathBuf,
        /// The damage.
        error: RevocationsError,
    },
    /// A [`RevocationFile`](crate::revocation::RevocationFile) could not be written: revocations hold, but not after a
    /// restart. The next revocation or flush tries again to write all of them.
    RevocationFileNotWritten {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// What servers share their revocations through, such as Redis or a directory, cannot be reached or read.
    /// Revocations hold on this server, and reach the others when it is back; those of the others are not heard
    /// meanwhile. Reported at once, and every 10 minutes while it lasts.
    RevocationStoreLost {
        /// Why.
        error: String,
    },
    /// The store answers again, after `RevocationStoreLost`.
    RevocationStoreRecovered,
    /// This server serves requests although it has not read the store since its start: what was revoked earlier opens
    /// here until it has.
    RevocationStoreNotRead,
    /// The store had lost revocations, and this server has written those that it knows again.
    RevocationStoreRestored {
        /// How many were missing.
        entries: usize,
    },
    /// The clocks of this server and of the store are more than 5 minutes apart: this server removes nothing from the
    /// store. Reported at once, and every 10 minutes while it lasts.
    RevocationStoreClock {
        /// Seconds by which this server's clock is ahead; negative if it is behind.
        ahead: i64,
    },
    /// The store has something that is no revocation, such as a damaged file: it was left out.
    RevocationStoreRefused {
        /// What, and where.
        error: String,
    },
    /// The key ring with which this server works from now on: at the start, and whenever the ring is replaced.
    KeysInUse {
        /// The key that seals now.
        seals: KeyId,
        /// The other keys, which open. A key that seals from a later time on is one of them until then.
        opens: Vec<KeyId>,
    },
    /// The ring that was replaced has a key that the new one does not have: all sessions under it have ended.
    KeyDropped {
        /// The key that went.
        key_id: KeyId,
        /// Whether there may be such sessions: it sealed until now, or a session that was opened or sealed with it here
        /// has not expired. A server that has just started does not know of any.
        in_use: bool,
    },
    /// [`KeyRing::from_file_or_new`](crate::KeyRing::from_file_or_new) made a new key: there was no key file yet. Where
    /// one was expected, the sessions of its keys have ended. On a fleet it means that this server has a key of its
    /// own, and that no other server opens its sessions: give every server the same file.
    KeyFileCreated {
        /// The new file.
        path: PathBuf,
        /// The key in it.
        key_id: KeyId,
    },
    /// A source of keys gave no ring; the one in use stays. Reported at once, and every 10 minutes while it fails for
    /// the same reason.
    KeysReloadFailed {
        /// Why, in a sentence: a [`KeyError`](crate::keys::KeyError) and its causes.
        error: String,
    },
    /// A source of keys gives a ring again, after `KeysReloadFailed`.
    KeysReloadRecovered,
    /// A `public` directive of the application was taken away, since the response depends on the session.
    PublicRemoved,
    /// The response's header block is so large that proxies with 4 KiB buffers (stock nginx) answer 502. Reported once
    /// for each build of [`Sessions`](crate::Sessions).
    LargeHeaderBlock {
        /// Bytes of all header fields.
        bytes: usize,
    },
    /// The development cookie is in use: no `Secure`, no prefix, for plain http on one's own machine only.
    DevelopmentCookie,
}

impl Event {
    /// The variant's name, such as `"Rejected"`: the key for logs and counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name_and_level().0
    }

    /// How much it matters. A rejection of a token that is genuine is [`Level::Info`], one of anything else is
    /// [`Level::Debug`], since any client can cause it with every request; a dropped key is a warning if it is in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.name_and_level().1
    }

    fn name_and_level(&self) -> (&'static str, Level) {
        match self {
            Self::Started { .. } => ("Started", Level::Debug),
            Self::Updated { .. } => ("Updated", Level::Debug),
            Self::Cycled { .. } => ("Cycled", Level::Debug),
            Self::Touched { .. } => ("Touched", Level::Debug),
            Self::Ended { .. } => ("Ended", Level::Debug),
            Self::Rejected { id: Some(_), .. } => ("Rejected", Level::Info),
            Self::Rejected { id: None, .. } => ("Rejected", Level::Debug),
            Self::Bound { .. } => ("Bound", Level::Debug),
            Self::Proven { .. } => ("Proven", Level::Debug),
            Self::Unproven { .. } => ("Unproven", Level::Info),
            Self::ProofRefused { id: Some(_), .. } => ("ProofRefused", Level::Info),
            Self::ProofRefused { id: None, .. } => ("ProofRefused", Level::Debug),
            Self::ManyRejected { .. } => ("ManyRejected", Level::Warn),
            Self::Adopted { .. } => ("Adopted", Level::Debug),
            Self::NotAdopted { id: Some(_), .. } => ("NotAdopted", Level::Info),
            Self::NotAdopted { id: None, .. } => ("NotAdopted", Level::Debug),
            Self::ChunkMissing { .. } => ("ChunkMissing", Level::Info),
            Self::DuplicatesSeen { .. } => ("DuplicatesSeen", Level::Debug),
            Self::TooLarge { .. } => ("TooLarge", Level::Warn),
            Self::ReadTooLate => ("ReadTooLate", Level::Warn),
            Self::WriteTooLate => ("WriteTooLate", Level::Warn),
            Self::WriteDiscarded { .. } => ("WriteDiscarded", Level::Warn),
            Self::EndedMeanwhile { .. } => ("EndedMeanwhile", Level::Warn),
            Self::FinishIgnored => ("FinishIgnored", Level::Warn),
            Self::Revoked { .. } => ("Revoked", Level::Info),
            Self::CutOffRaised { .. } => ("CutOffRaised", Level::Info),
            Self::RevocationsNearlyFull { .. } => ("RevocationsNearlyFull", Level::Warn),
            Self::RevocationsFull { .. } => ("RevocationsFull", Level::Error),
            Self::RevocationFilePutAside { .. } => ("RevocationFilePutAside", Level::Warn),
            Self::RevocationFileNotWritten { .. } => ("RevocationFileNotWritten", Level::Error),
            Self::RevocationStoreLost { .. } => ("RevocationStoreLost", Level::Warn),
            Self::RevocationStoreRecovered => ("RevocationStoreRecovered", Level::Info),
            Self::RevocationStoreNotRead => ("RevocationStoreNotRead", Level::Error),
            Self::RevocationStoreRestored { .. } => ("RevocationStoreRestored", Level::Warn),
            Self::RevocationStoreClock { .. } => ("RevocationStoreClock", Level::Warn),
            Self::RevocationStoreRefused { .. } => ("RevocationStoreRefused", Level::Warn),
            Self::KeysInUse { .. } => ("KeysInUse", Level::Info),
            Self::KeyDropped { in_use: true, .. } => ("KeyDropped", Level::Warn),
            Self::KeyDropped { in_use: false, .. } => ("KeyDropped", Level::Info),
            Self::KeyFileCreated { .. } => ("KeyFileCreated", Level::Info),
            Self::KeysReloadFailed { .. } => ("KeysReloadFailed", Level::Warn),
            Self::KeysReloadRecovered => ("KeysReloadRecovered", Level::Info),
            Self::PublicRemoved => ("PublicRemoved", Level::Warn),
            Self::LargeHeaderBlock { .. } => ("LargeHeaderBlock", Level::Warn),
            Self::DevelopmentCookie => ("DevelopmentCookie", Level::Warn),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
