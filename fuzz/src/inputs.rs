//! The inputs that a run starts with: seeds made from the vectors, and the minimised corpus of long runs in
//! `corpus/TARGET.txt`, one input a line, escaped as in Rust.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::targets;

/// Writes the seeds and the corpus of a target to a folder, one file each.
pub fn unpack(name: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (_, _, seeds) = targets::find(name);
    for (kind, inputs) in [("seed", seeds()), ("corpus", corpus(name)?)] {
        for (index, input) in inputs.iter().enumerate() {
            fs::write(folder.join(format!("{kind}-{index:04}")), input)?;
        }
    }
    Ok(())
}

/// Makes the files of a folder the corpus of a target, without those that are seeds, and tells how many there are.
pub fn pack(name: &str, folder: &Path) -> io::Result<usize> {
    let (_, _, seeds) = targets::find(name);
    let seeds = seeds();
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        inputs.push(fs::read(entry?.path())?);
    }
    inputs.retain(|input| !seeds.contains(input));
    // Neighbours are alike, so that the file compresses well.
    inputs.sort();
    let lines: String = inputs
        .iter()
        .map(|input| format!("{}\n", input.escape_ascii()))
        .collect();
    fs::write(file(name), lines)?;
    Ok(inputs.len())
}

/// The committed corpus of a target.
pub fn corpus(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let broken = || io::Error::other(format!("corpus of {name}: a line is not escaped"));
    let text = fs::read_to_string(file(name))?;
    text.lines().map(|line| unescaped(line).ok_or_else(broken)).collect()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("corpus/{name}.txt"))
}

/// The bytes of which `escape_ascii` made this line.
fn unescaped(line: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), line.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
                }
                itself => itself,
            },
            other => other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Tally;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&bytes.escape_ascii().to_string()), Some(bytes));
        for broken in ["\\", "\\x1", "\\xgg"] {
            assert_eq!(unescaped(broken), None, "{broken}");
        }
    }

    /// The check passes for the seeds and the corpus, and for the first halves of the seeds.
    #[track_caller]
    fn assert_holds(name: &str) {
        let (_, run, seeds) = targets::find(name);
        let (seeds, corpus) = (seeds(), corpus(name).expect("a corpus"));
        assert!(seeds.len() > 20, "{name} has {} seeds", seeds.len());
        assert!(corpus.len() > 20, "{name} has {} inputs", corpus.len());
        run(b"");
        let halves = seeds.iter().map(|seed| &seed[..seed.len() / 2]);
        for input in seeds.iter().chain(&corpus).map(Vec::as_slice).chain(halves) {
            println!("{name}: {}", input.escape_ascii());
            run(input);
        }
    }

    /// Of the sessions that opened, a third at least were kept ones.
    #[track_caller]
    fn assert_kept(tally: &Tally) {
        let (opened, kept) = tally.counts();
        assert!(kept > 100 && 3 * kept > opened, "{kept} of {opened}");
    }

    #[test]
    fn open_holds() {
        assert_holds("open");
    }

    #[test]
    fn cookie_header_holds() {
        assert_holds("cookie_header");
    }

    #[test]
    fn ring_text_holds() {
        assert_holds("ring_text");
    }

    #[test]
    fn round_trip_holds() {
        assert_holds("round_trip");
    }

    #[test]
    fn set_cookie_holds() {
        assert_holds("set_cookie");
    }

    #[test]
    fn cache_merge_holds() {
        assert_holds("cache_merge");
    }

    #[test]
    fn device_holds() {
        assert_holds("device");
    }

    #[test]
    fn edge_holds() {
        assert_holds("edge");
    }

    #[test]
    fn session_model_holds() {
        assert_holds("session_model");
        assert_kept(&targets::session_model::TALLY);
    }

    #[test]
    fn opened_cache_holds() {
        assert_holds("opened_cache");
        assert_kept(&targets::opened_cache::TALLY);
    }
}
