//! The fields and the sentence of an event.

use std::fmt;

use crate::error::Reason;
use crate::ids::KeyId;
use crate::session::event::Event;

impl Event {
    /// Calls `visit` with the name and the value of every field that has a value, named as in the variant. A reason is
    /// its [short name](Reason::name), ids are hexadecimal digits, several of them separated by commas.
    pub fn fields(&self, visit: &mut dyn FnMut(&'static str, &dyn fmt::Display)) {
        match self {
            Self::Started { id }
            | Self::Updated { id }
            | Self::Touched { id }
            | Self::Ended { id: Some(id) }
            | Self::EndedMeanwhile { id }
            | Self::Bound { id }
            | Self::Proven { id }
            | Self::Unproven { id }
            | Self::Revoked { id } => visit("id", id),
            Self::Cycled { id, previous } => {
                visit("id", id);
                visit("previous", previous);
            }
            Self::Rejected { reason, id, key_id } => {
                visit("reason", &reason.name());
                id.iter().for_each(|id| visit("id", id));
                key_id.iter().for_each(|id| visit("key_id", id));
            }
            Self::ProofRefused { step, reason, id } => {
                visit("step", step);
                reason.iter().for_each(|reason| visit("reason", &reason.name()));
                id.iter().for_each(|id| visit("id", id));
            }
            Self::ManyRejected {
                reason,
                count,
                total,
                key_ids,
            } => {
                visit("reason", &reason.name());
                visit("count", count);
                visit("total", total);
                visit("key_ids", &Ids(key_ids));
            }
            Self::Adopted { id, total } => {
                visit("id", id);
                visit("total", total);
            }
            Self::NotAdopted { reason, id, total } => {
                visit("reason", &reason.name());
                id.iter().for_each(|id| visit("id", id));
                visit("total", total);
            }
            Self::DuplicatesSeen { count } => visit("count", count),
            Self::ChunkMissing { chunk, chunks } => {
                visit("chunk", chunk);
                visit("chunks", chunks);
            }
            Self::TooLarge { size, limit, option } => {
                visit("size", size);
                visit("limit", limit);
                visit("option", option);
            }
            Self::WriteDiscarded { status } => visit("status", status),
            Self::CutOffRaised { to } => visit("to", to),
            Self::RevocationsNearlyFull { entries, most } => {
                visit("entries", entries);
                visit("most", most);
            }
            Self::RevocationsFull { dropped, most } => {
                visit("dropped", dropped);
                visit("most", most);
            }
            Self::RevocationFilePutAside { path, error } => {
                visit("path", &path.display());
                visit("error", error);
            }
            Self::RevocationFileNotWritten { path, kind } => {
                visit("path", &path.display());
                visit("kind", kind);
            }
            Self::KeysInUse { seals, opens } => {
                visit("seals", seals);
                visit("opens", &Ids(opens));
            }
            Self::KeyDropped { key_id, in_use } => {
                visit("key_id", key_id);
                visit("in_use", in_use);
            }
            Self::KeyFileCreated { path, key_id } => {
                visit("path", &path.display());
                visit("key_id", key_id);
            }
            Self::KeysReloadFailed { error }
            | Self::RevocationStoreLost { error }
            | Self::RevocationStoreRefused { error } => visit("error", error),
            Self::RevocationStoreRestored { entries } => visit("entries", entries),
            Self::RevocationStoreClock { ahead } => visit("ahead", ahead),
            Self::LargeHeaderBlock { bytes } => visit("bytes", bytes),
            Self::Ended { id: None }
            | Self::ReadTooLate
            | Self::WriteTooLate
            | Self::FinishIgnored
            | Self::KeysReloadRecovered
            | Self::RevocationStoreRecovered
            | Self::RevocationStoreNotRead
            | Self::PublicRemoved
            | Self::DevelopmentCookie => {}
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { id } => write!(f, "session {id} started"),
            Self::Updated { id } => write!(f, "session {id} has new data"),
            Self::Cycled { id, previous } => write!(f, "session {previous} is now {id}"),
            Self::Touched { id } => write!(f, "session {id} was active"),
            Self::Ended { id: Some(id) } => write!(f, "session {id} ended"),
            Self::Ended { id: None } => f.write_str("the cookies were removed; there was no session"),
            Self::Rejected {
                reason: Reason::UnknownKey,
                key_id: Some(key_id),
                ..
            } => write!(f, "rejected: {} ({key_id})", Reason::UnknownKey),
            Self::Rejected { reason, .. } => write!(f, "rejected: {reason}"),
            Self::Adopted { id, total } => write!(f, "session {id} was adopted from an old cookie ({total} so far)"),
            Self::NotAdopted { reason, total, .. } => {
                f.write_str("an old cookie was not adopted: ")?;
                match reason {
                    Reason::Malformed => f.write_str("it is empty, too long or not UTF-8")?,
                    Reason::NotOurs => f.write_str("`read` returned nothing for it")?,
                    Reason::Expired => f.write_str("the time for `adopt` is over")?,
                    Reason::Payload => f.write_str("its data do not fit in a session")?,
                    reason => write!(f, "{reason}")?,
                }
                write!(f, " ({total} so far)")
            }
            Self::Bound { id } => write!(f, "session {id} is bound to a device"),
            Self::Proven { id } => write!(f, "the device of session {id} has proven itself again"),
            Self::Unproven { id } => write!(f, "session {id} came without a proof of its device"),
            Self::ProofRefused { step, reason, .. } => {
                write!(f, "a device was refused for its {step}")?;
                reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
            }
            Self::ManyRejected {
                reason,
                count,
                total,
                key_ids,
            } => {
                write!(f, "{count} of {total} cookies within a minute were rejected: {reason}")?;
                match &key_ids[..] {
                    [] => Ok(()),
                    _ => write!(f, " (keys that they name: {})", Ids(key_ids)),
                }
            }
            Self::DuplicatesSeen { count } => write!(f, "{count} cookies of the same name came"),
            Self::ChunkMissing { chunk, chunks } => {
                write!(f, "cookie {chunk} of the {chunks} of a session did not come")
            }
            Self::TooLarge { size, limit, option } => {
                write!(
                    f,
                    "a write was refused: the session would take {size} bytes, and `{option}` allows {limit}"
                )
            }
            Self::ReadTooLate => f.write_str("the session was first read after the header block was sent"),
            Self::WriteTooLate => f.write_str("the session was written to after the header block was sent"),
            Self::WriteDiscarded { status } => write!(
                f,
                "what was written to the session was not sent: the response has status {status}, or none was finished (500)"
            ),
            Self::EndedMeanwhile { id } => {
                write!(
                    f,
                    "session {id} ended while a request that wrote to it was being served"
                )
            }
            Self::FinishIgnored => f.write_str("the session was finished already, or not opened yet; nothing was sent"),
            Self::Revoked { id } => write!(f, "session {id} was revoked"),
            Self::CutOffRaised { to } => write!(f, "sessions that started before Unix second {to} have ended"),
            Self::RevocationsNearlyFull { entries, most } => {
                write!(f, "the revocation list has {entries} entries and room for {most}")
            }
            Self::RevocationsFull { dropped, most } => write!(
                f,
                "the revocation list has room for {most} entries, and {dropped} went before their time"
            ),
            Self::RevocationFilePutAside { path, error } => write!(
                f,
                "a file of revocations could not be read and is now {}: {error}",
                path.display()
            ),
            Self::RevocationFileNotWritten { path, kind } => write!(
                f,
                "the file of revocations {} could not be written: {kind}",
                path.display()
            ),
            Self::RevocationStoreLost { error } => write!(f, "the store of revocations is out of reach: {error}"),
            Self::RevocationStoreRecovered => f.write_str("the store of revocations is in reach again"),
            Self::RevocationStoreNotRead => {
                f.write_str("serving without having read the store of revocations: what was revoked earlier opens here")
            }
            Self::RevocationStoreRestored { entries } => {
                write!(
                    f,
                    "the store of revocations had lost {entries}, and this server has written them again"
                )
            }
            Self::RevocationStoreClock { ahead } => {
                let side = if *ahead < 0 { "behind" } else { "ahead of" };
                write!(
                    f,
                    "this server's clock is {} s {side} that of the store of revocations",
                    ahead.unsigned_abs()
                )
            }
            Self::RevocationStoreRefused { error } => {
                write!(
                    f,
                    "left out what the store of revocations has, since it is no revocation: {error}"
                )
            }
            Self::KeysInUse { seals, opens } => match &opens[..] {
                [] => write!(f, "key {seals} seals, no other key opens"),
                _ => write!(f, "key {seals} seals, these open too: {}", Ids(opens)),
            },
            Self::KeyDropped { key_id, in_use: true } => {
                write!(
                    f,
                    "key {key_id} was dropped while it was in use: the sessions under it have ended"
                )
            }
            Self::KeyDropped { key_id, in_use: false } => {
                write!(f, "key {key_id} was dropped; no live session under it is known here")
            }
            Self::KeyFileCreated { path, key_id } => {
                write!(f, "the key file {} was made, with the new key {key_id}", path.display())
            }
            Self::KeysReloadFailed { error } => write!(f, "the key ring in use stays: {error}"),
            Self::KeysReloadRecovered => f.write_str("the source of keys gives a key ring again"),
            Self::PublicRemoved => f.write_str("`public` was removed from a response that depends on the session"),
            Self::LargeHeaderBlock { bytes } => write!(
                f,
                "the response's header block takes {bytes} bytes, too many for proxies with buffers of 4 KiB"
            ),
            Self::DevelopmentCookie => {
                f.write_str("the development cookie is in use: anyone on the network path can read and set it")
            }
        }
    }
}

/// Ids, separated by commas.
struct Ids<'a>(&'a [KeyId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            write!(f, "{}{id}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
