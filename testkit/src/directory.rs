//! A directory for the files of one test.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// A new, empty directory, removed when it is dropped. It is used as the path that it has.
pub struct Directory(PathBuf);

impl Directory {
    /// `test` is the name of the test, or another one that no other test of the process takes.
    #[track_caller]
    pub fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("sealed-session-{test}-{}", process::id()));
        // An earlier process of the same id may have been killed.
        _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Directory {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
