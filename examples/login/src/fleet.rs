//! The state that servers of the demo share through a directory, and read again after a restart: users who signed out
//! everywhere, revoked sessions, and the cut-off.
//!
//! Every server writes its own files and reads those of all. So no server overwrites what another one knows, and the
//! files can be read in any order. Without `LOGIN_SHARED` there is one server, which keeps the state in memory.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use sealed_session::Opened;
use sealed_session::keys::{KeyReloader, Reload};
use sealed_session::revocation::{RevocationFile, Revocations};
use time::OffsetDateTime;

use crate::Login;
use crate::key_file::write;
use crate::terminal::say;

/// The sessions that ended before their time.
pub(crate) struct Fleet {
    /// By user name: sessions that started before this Unix second have ended. An application keeps it in its user
    /// record.
    valid_from: RwLock<BTreeMap<String, i64>>,
    shared: Option<Shared>,
}

/// The files, if there are several servers.
struct Shared {
    directory: PathBuf,
    /// All revocations, of this server and of others.
    list: Revocations,
    /// This server's file of the list.
    revoked: RevocationFile,
    /// This server's file of `valid_from`; locked while it is written.
    users: Mutex<PathBuf>,
}

impl Fleet {
    /// Reads the state of all servers at the start, so that this one refuses ended sessions from its first request on.
    pub(crate) fn open() -> Result<Arc<Self>, Box<dyn Error>> {
        let fleet = Self {
            valid_from: RwLock::default(),
            shared: env::var_os("LOGIN_SHARED").map(Shared::open).transpose()?,
        };
        fleet.read()?;
        Ok(Arc::new(fleet))
    }

    /// Whether there may be other servers.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The shared list of revocations, for `Sessions`; `None` if there is only one server.
    pub(crate) fn revocations(&self) -> Option<RevocationFile> {
        self.shared.as_ref().map(|shared| shared.revoked.clone())
    }

    /// Ends all sessions of a user that started before this Unix second.
    pub(crate) fn end_sessions_of(&self, name: &str, before: i64) {
        let mut known = self.valid_from.write().unwrap_or_else(PoisonError::into_inner);
        let from = known.entry(name.to_owned()).or_default();
        *from = before.max(*from);
    }

    /// Whether the user has signed out everywhere since this session started: the check for `refuse_if`.
    pub(crate) fn refuses(&self, opened: &Opened<'_, Login>) -> bool {
        let known = self.valid_from.read().unwrap_or_else(PoisonError::into_inner);
        let from = known.get(&opened.data.name);
        from.is_some_and(|&from| opened.started.unix_timestamp() < from)
    }

    /// Writes this server's state to its files. Call it before the answer to a sign-out, which then holds whatever
    /// happens to this process. (Revocations are written already; this reports a failure of that.)
    pub(crate) fn tell(&self) -> Result<(), Box<dyn Error>> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        shared.revoked.flush()?;
        let file = shared.users.lock().unwrap_or_else(PoisonError::into_inner);
        let users = {
            let mut known = self.valid_from.write().unwrap_or_else(PoisonError::into_inner);
            // Older sessions have expired by themselves.
            let now = OffsetDateTime::now_utc().unix_timestamp();
            known.retain(|_, from| now - *from < LONGEST);
            serde_json::to_vec(&*known)?
        };
        write(&file, &users)
    }

    /// Reads the files of all servers, including those of this one before its restart.
    fn read(&self) -> Result<(), Box<dyn Error>> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        for entry in fs::read_dir(&shared.directory)? {
            let path = entry?.path();
            let in_file = |error: &dyn Error| format!("{}: {error}", path.display());
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(REVOKED) => {
                    let news = shared.list.merge_file_at(&fs::read(&path)?, OffsetDateTime::now_utc());
                    news.map_err(|error| in_file(&error))?;
                }
                Some(USERS) => {
                    let users: BTreeMap<String, i64> =
                        serde_json::from_slice(&fs::read(&path)?).map_err(|error| in_file(&error))?;
                    users.iter().for_each(|(name, &from)| self.end_sessions_of(name, from));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Follows the ring file and the other servers on a thread, as long as the process lives. `replaced` is called when
    /// there is a new ring.
    pub(crate) fn follow(self: Arc<Self>, mut keys: KeyReloader<Login>, replaced: impl Fn() + Send + 'static) {
        thread::spawn(move || {
            let mut trouble = String::new();
            loop {
                thread::sleep(LOOK);
                // An error was printed as an event.
                if let Ok(Reload::Replaced) = keys.poll() {
                    replaced();
                }
                let now = self.read().map_or_else(|error| error.to_string(), |()| String::new());
                if now != trouble && !now.is_empty() {
                    say("trouble", &now);
                }
                trouble = now;
            }
        });
    }
}

impl Shared {
    /// `server` is the name of this server's files. It may have dots in it, like the names of machines.
    fn open(server: OsString) -> Result<Self, Box<dyn Error>> {
        let named = |ending: &str| {
            let mut name = server.clone();
            name.push(".");
            name.push(ending);
            PathBuf::from(name)
        };
        let directory = Path::new(&server).parent().filter(|path| *path != Path::new(""));
        let directory = directory.unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&directory)?;
        let list = Revocations::new();
        Ok(Self {
            directory,
            revoked: RevocationFile::open(named(REVOKED), list.clone())?,
            list,
            users: Mutex::new(named(USERS)),
        })
    }
}

const REVOKED: &str = "revoked";
const USERS: &str = "users";

/// Servers usually look every few seconds. This is a demo on one machine, without the wait.
const LOOK: Duration = Duration::from_millis(200);

/// The longest absolute timeout and 5 minutes for clocks.
const LONGEST: i64 = 90 * 86_400 + 300;
