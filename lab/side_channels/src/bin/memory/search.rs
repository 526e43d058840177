//! The second process, and the search of its memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::Outcome;
use crate::needles::{Needle, PIECE};

/// How often each needle was found in each kind of memory.
pub(crate) type Found = BTreeMap<(String, String), usize>;

pub(crate) const STACK: &str = "stack";

/// This program, started a second time. It ends with its input.
pub(crate) struct Searched {
    child: Child,
    input: Option<ChildStdin>,
}

impl Searched {
    pub(crate) fn start(mode: &str) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.input.as_mut().ok_or("no input")?.write_all(bytes)?)
    }

    /// What it prints up to a line with `ready`.
    pub(crate) fn lines_until_ready(&mut self) -> Outcome<String> {
        let output = self.child.stdout.as_mut().ok_or("no output")?;
        let mut text = Vec::new();
        while !text.ends_with(b"ready\n") {
            let mut byte = [0];
            output.read_exact(&mut byte)?;
            text.push(byte[0]);
        }
        Ok(String::from_utf8(text)?)
    }

    /// Searches every readable region of the process.
    pub(crate) fn find(&self, needles: &[Needle]) -> Outcome<Found> {
        let process = format!("/proc/{}", self.child.id());
        let mut memory = File::open(format!("{process}/mem"))?;
        let (mut found, mut searched) = (Found::new(), 0);
        for line in fs::read_to_string(format!("{process}/maps"))?.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
                continue;
            };
            let name = fields.nth(3).unwrap_or("anonymous memory");
            // Regions that are not writable are the program itself; the kernel's pages cannot be read.
            if !rights.starts_with("rw") || name.starts_with("[v") {
                continue;
            }
            let (start, end) = range.split_once('-').ok_or("no range")?;
            let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
            let mut bytes = vec![0; usize::try_from(end - start)?];
            memory.seek(SeekFrom::Start(start))?;
            memory.read_exact(&mut bytes)?;
            searched += bytes.len();
            let region = match name {
                "[heap]" => "heap",
                "[stack]" => STACK,
                other => other,
            };
            count(&bytes, region, needles, &mut found);
        }
        println!(
            "  {} KiB of memory searched for {} pieces of 16 bytes",
            searched / 1024,
            needles.len()
        );
        if searched == 0 {
            return Err("no memory could be read".into());
        }
        Ok(found)
    }

    pub(crate) fn end(mut self) -> Outcome<()> {
        drop(self.input.take());
        match self.child.wait()?.success() {
            true => Ok(()),
            false => Err("the process that was searched failed".into()),
        }
    }
}

impl Drop for Searched {
    fn drop(&mut self) {
        // Has ended already, unless an error came before that.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Counts the needles in these bytes, wherever they begin.
fn count(bytes: &[u8], region: &str, needles: &[Needle], found: &mut Found) {
    let mut by_first: Vec<Vec<&Needle>> = (0..=255).map(|_| Vec::new()).collect();
    for needle in needles {
        by_first[usize::from(needle.piece[0])].push(needle);
    }
    for window in bytes.windows(PIECE) {
        for needle in &by_first[usize::from(window[0])] {
            if needle.piece == *window {
                *found.entry((needle.name.clone(), region.to_owned())).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needles::add;

    #[test]
    fn needles_are_counted_wherever_they_begin() {
        let mut needles = Vec::new();
        add(&mut needles, "one", &[7; 16]);
        add(&mut needles, "two", b"0123456789abcdef");
        let mut bytes = vec![0; 100];
        bytes[3..20].fill(7);
        bytes[84..].copy_from_slice(b"0123456789abcdef");
        let mut found = Found::new();
        count(&bytes, "heap", &needles, &mut found);
        count(&bytes[..99], STACK, &needles, &mut found);
        let times = |name: &str, region: &str| found.get(&(name.to_owned(), region.to_owned())).copied();
        assert_eq!((times("one", "heap"), times("two", "heap")), (Some(2), Some(1)));
        assert_eq!((times("one", STACK), times("two", STACK)), (Some(2), None));
    }
}
