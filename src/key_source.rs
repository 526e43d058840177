//! Where key rings come from when they change while the server runs: a small trait, and a file.

use std::path::{Path, PathBuf};

use crate::error::KeyError;
use crate::keyring::KeyRing;

/// Something that gives the present key ring whenever it is asked: a file, a key management service, a vault.
///
/// [`Sessions::reload_from`](crate::Sessions::reload_from) asks it again and again, on a thread of its own or wherever it is
/// driven; it may block. Any `Fn() -> Result<KeyRing, KeyError>` is one:
///
/// ```
/// use sealed_session::keys::{KeyError, KeySource};
/// use sealed_session::{Key, KeyRing};
///
/// fn fetch_secret() -> Result<Vec<u8>, std::io::Error> {
///     // … ask the key management service …
/// #   Err(std::io::Error::other("no such service"))
/// }
///
/// let source = || {
///     let secret = fetch_secret().map_err(|error| KeyError::Source { problem: error.to_string() })?;
///     Key::from_raw_secret(&secret).map(KeyRing::new)
/// };
/// assert!(matches!(source.load(), Err(KeyError::Source { .. })));
/// ```
pub trait KeySource: Send {
    /// The ring as it is now.
    ///
    /// # Errors
    /// Any [`KeyError`]; [`KeyError::Source`] for what no other one says. It goes into logs.
    fn load(&self) -> Result<KeyRing, KeyError>;
}

impl<F: Fn() -> Result<KeyRing, KeyError> + Send> KeySource for F {
    fn load(&self) -> Result<KeyRing, KeyError> {
        self()
    }
}

/// The written ring in a file, opened and read anew every time and compared by what it says: so it does not matter whether
/// the file is rewritten, renamed over or reached through a symbolic link that is swapped (as Kubernetes does with mounted
/// secrets), nor on which kind of file system it lies.
#[derive(Clone, Debug)]
pub struct RingFile {
    path: PathBuf,
}

impl RingFile {
    /// The file at `path`, of at most 1 MiB. It is not opened yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
        }
    }
}

impl KeySource for RingFile {
    fn load(&self) -> Result<KeyRing, KeyError> {
        KeyRing::from_file(&self.path)
    }
}
