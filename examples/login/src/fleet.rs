//! The state that servers of the demo share, and read again after a restart: users who signed out
//! everywhere, revoked sessions, and the cut-off.
//!
//! The library shares revoked sessions and the cut-off. The users are in one file: a server that writes it holds a lock
//! and reads it first, so it overwrites nothing. Without `LOGIN_SHARED` there is one server, with the state in memory.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use sealed_session::Opened;
use sealed_session::keys::{KeyReloader, Reload};
use sealed_session::revocation::Revocations;
use time::OffsetDateTime;

use crate::Login;
use crate::key_file::write;
use crate::shared_list::SharedList;
use crate::terminal::say;

/// The sessions that ended before their time.
pub(crate) struct Fleet {
    /// By user name: sessions that started before this Unix second have ended. An application keeps it in its user
    /// record.
    valid_from: RwLock<BTreeMap<String, i64>>,
    /// All revocations, of this server and of others.
    pub(crate) revoked: SharedList,
    /// What servers share, if there are several.
    directory: Option<PathBuf>,
}

impl Fleet {
    /// Reads the shared state, so that this server refuses ended sessions from its first request on.
    pub(crate) fn open() -> Result<Arc<Self>, Box<dyn Error>> {
        let directory = env::var_os("LOGIN_SHARED").map(PathBuf::from);
        let fleet = Self {
            valid_from: RwLock::default(),
            revoked: match &directory {
                Some(directory) => SharedList::open(directory)?,
                None => SharedList::Memory(Revocations::new()),
            },
            directory,
        };
        fleet.read()?;
        Ok(Arc::new(fleet))
    }

    /// Whether there may be other servers.
    pub(crate) fn is_shared(&self) -> bool {
        self.directory.is_some()
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
        let from = opened.data.name.as_ref().and_then(|name| known.get(name));
        from.is_some_and(|&from| opened.started.unix_timestamp() < from)
    }

    /// Writes the state to where servers share it. Await it before the answer to a sign-out, which then holds whatever
    /// happens to this process.
    pub(crate) async fn tell(&self) -> Result<(), Box<dyn Error>> {
        if let Some(directory) = &self.directory {
            self.write_users(directory)?;
        }
        self.revoked.confirmed().await
    }

    fn write_users(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        // Closing the file releases the lock, also after a `kill -9`.
        let lock = File::create(directory.join("users.lock"))?;
        lock.lock()?;
        self.read()?;
        let users = {
            let mut known = self.valid_from.write().unwrap_or_else(PoisonError::into_inner);
            // Older sessions have expired by themselves.
            let now = OffsetDateTime::now_utc().unix_timestamp();
            known.retain(|_, from| now - *from < LONGEST);
            serde_json::to_vec(&*known)?
        };
        write(&directory.join(USERS), &users)
    }

    /// Reads the users who signed out everywhere, on any server.
    fn read(&self) -> Result<(), Box<dyn Error>> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = directory.join(USERS);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        let users: BTreeMap<String, i64> =
            serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        users.iter().for_each(|(name, &from)| self.end_sessions_of(name, from));
        Ok(())
    }

    /// Follows the ring file and the users on a thread, as long as the process lives. `replaced` is called when
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

const USERS: &str = "users.json";

/// Servers usually look every few seconds. This is a demo on one machine, without the wait. (The library reads the
/// revocations of the other servers every second.)
const LOOK: Duration = Duration::from_millis(200);

/// The longest absolute timeout and 5 minutes for clocks.
const LONGEST: i64 = 90 * 86_400 + 300;
