//! `revocations`: the revoked sessions in a server's file.

use std::path::PathBuf;

use clap::Args;
use sealed_session::SessionId;
use sealed_session::revocation::{RevocationList as _, Revocations};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::answer::{Answer, Failure};
use crate::files;
use crate::instants::written;
use crate::values::{relative, unix};

/// Largest file in bytes: 89 million entries.
const LARGEST: u64 = 1 << 30;

/// Show a file of revocations: the cut-off, and the revoked sessions
///
/// Sessions that started before the cut-off are refused. An entry is kept until its session would have expired by
/// itself. The file is no secret, but a session id can lead to a person.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sealed-session revocations revoked
  sealed-session revocations revoked --ids")]
pub(crate) struct ShowRevocations {
    /// The file, as `RevocationFile` or `Revocations::snapshot` writes it
    file: PathBuf,
    /// List the revoked sessions too, with the end of each entry
    #[arg(long)]
    ids: bool,
}

impl ShowRevocations {
    pub(crate) fn run(self, now: OffsetDateTime) -> Result<Answer, Failure> {
        let bytes = files::read_bytes(&self.file, LARGEST)?;
        let name = self.file.display();
        // However large the file is, all of it is shown.
        let list = Revocations::bounded(usize::MAX);
        list.merge_file_at(&bytes, OffsetDateTime::UNIX_EPOCH)
            .map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
        let entries: Vec<_> = entries(&list.snapshot_at(OffsetDateTime::UNIX_EPOCH)).collect();
        let expired = entries.iter().filter(|(_, until)| *until <= now).count();
        let shown = |instant| format!("{} ({})", written(instant), relative(instant, now));
        let cut_off = list.cut_off();
        let mut human = vec![match cut_off {
            Some(cut_off) => format!("{name}: sessions that started before {} are refused", shown(cut_off)),
            None => format!("{name}: no cut-off"),
        }];
        human.push(format!(
            "revoked sessions: {}, of which {expired} would have expired by now",
            entries.len()
        ));
        if self.ids {
            human.extend(
                entries
                    .iter()
                    .map(|(id, until)| format!("  {id}  until {}", shown(*until))),
            );
        }
        let ids = |(id, until): &(SessionId, OffsetDateTime)| json!({ "session_id": id.to_string(), "until": written(*until) });
        let machine = json!({
            "at": written(now),
            "cut_off": cut_off.map(written),
            "revoked": entries.len(),
            "expired": expired,
            "sessions": self.ids.then(|| entries.iter().map(ids).collect::<Vec<Value>>()),
        });
        Ok(Answer::new(true, human.join("\n"), machine))
    }
}

/// The entries of a list that was read without an error (SPEC.md, *Revocation list*): 17 bytes, then for each entry 8
/// bytes of id and 4 bytes of time.
fn entries(bytes: &[u8]) -> impl Iterator<Item = (SessionId, OffsetDateTime)> {
    let (entries, _) = bytes.get(17..).unwrap_or_default().as_chunks::<12>();
    entries.iter().map(|&[id @ .., a, b, c, d]| {
        let until = u32::from_be_bytes([a, b, c, d]);
        (SessionId::from_bytes(id), unix(until.into()))
    })
}
