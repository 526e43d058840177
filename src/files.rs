//! New files and their directories, for the file of a key ring and that of a revocation list.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a new file that has these permissions from the beginning (on Unix, less those that the umask takes away).
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// The directory that the file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// Puts the file's name on the disk: a new name, or a renamed file, survives a power cut only when its directory is
/// written.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    // Elsewhere, a directory cannot be opened as a file.
    if cfg!(unix) {
        File::open(directory_of(path))?.sync_all()?;
    }
    Ok(())
}
