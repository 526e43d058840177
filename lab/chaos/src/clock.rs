//! A clock for one server that the run sets: libfaketime.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use testkit::Directory;

pub(crate) struct Clock {
    directory: Directory,
}

impl Clock {
    pub(crate) fn new(name: &str) -> Self {
        let clock = Self {
            directory: Directory::new(&format!("{name}-faketime")),
        };
        clock.set(0);
        clock
    }

    /// So many seconds ahead, or behind if they are negative.
    pub(crate) fn set(&self, ahead: i64) {
        let new = self.directory.join("new");
        fs::write(&new, format!("{ahead:+}\n")).expect("the directory is writable");
        fs::rename(new, self.file()).expect("the directory is writable");
    }

    fn file(&self) -> PathBuf {
        self.directory.join("time")
    }

    /// For the server.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        // `faketime` knows where its library is.
        let found = Command::new("faketime")
            .args(["-m", "now", "printenv", "LD_PRELOAD"])
            .output();
        let found = found.expect("faketime is installed").stdout;
        let library = String::from_utf8_lossy(&found).trim().to_owned();
        let file = self.file().display().to_string();
        [
            ("LD_PRELOAD", &*library),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}
