//! The versions of a session during one request: an append-only row.
//!
//! A version is never changed once it is there, so it can be lent without a lock; a write appends one, and finishing
//! the session closes the row.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::few::Few;
use crate::session::content::{Current, Genuine, Payload};

/// All versions of a session in this request. The `first` is the session that came.
pub(crate) struct Versions<T> {
    first: Version<T>,
    appended: OnceLock<Box<Appended<T>>>,
    /// The number of the last version or of one before it: the search for the last one begins there.
    known: AtomicUsize,
}

/// Most requests that write append one version and then close the row: they need no pages.
struct Appended<T> {
    near: [OnceLock<Next<T>>; NEAR],
    pages: OnceLock<Box<Pages<T>>>,
}

/// Pages never move once they are there, and each is sixteen times as long as the one before it.
type Pages<T> = [OnceLock<Page<T>>; PAGES];
type Page<T> = Box<[OnceLock<Next<T>>]>;

/// One state of the session in this request.
pub(crate) struct Version<T> {
    number: usize,
    pub(crate) current: Current<T>,
    pub(crate) done: Done,
}

enum Next<T> {
    Version(Version<T>),
    /// The header block is sent: nothing follows.
    Closed,
}

/// Why nothing was appended.
pub(crate) enum Refused {
    /// Another handle wrote meanwhile.
    Conflict,
    Closed,
}

/// The changes of the session so far; of several changes the one that matters most to the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) change: Change,
    /// `touch` was called.
    pub(crate) touch: bool,
    /// `end` was called, whatever came after it.
    pub(crate) ended: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    #[default]
    None,
    Written,
    Cycled,
    /// The session got another kind of lifetime and another id: the session that came ends with it.
    Replaced,
    Started,
    Ended,
}

/// How a request left its session.
pub(crate) enum Ending<'a, T> {
    Untouched,
    Touched(Touched<'a, T>),
}

/// A session that the request read or wrote.
pub(crate) struct Touched<'a, T> {
    pub(crate) first: &'a Current<T>,
    pub(crate) last: &'a Current<T>,
    pub(crate) done: Done,
    /// The genuine tokens that came with the request.
    pub(crate) genuine: &'a Few<Genuine>,
    /// The first version was made of an old cookie, which the response replaces.
    pub(crate) is_adopted: bool,
}

impl Done {
    /// One change more. A session that starts or ends replaces the one before.
    pub(crate) fn and(self, change: Change) -> Self {
        let replaces = matches!(change, Change::Started | Change::Ended);
        Self {
            change: if replaces { change } else { self.change.max(change) },
            touch: self.touch && !replaces,
            ended: self.ended || change == Change::Ended,
        }
    }
}

impl<T> Versions<T> {
    pub(crate) fn new(first: Current<T>) -> Self {
        Self {
            first: Version {
                number: 0,
                current: first,
                done: Done::default(),
            },
            appended: OnceLock::new(),
            known: AtomicUsize::new(0),
        }
    }

    pub(crate) fn first(&self) -> &Version<T> {
        &self.first
    }

    pub(crate) fn last(&self) -> &Version<T> {
        let known = self.known.load(Ordering::Acquire);
        let mut last = self.get(known).unwrap_or(&self.first);
        while let Some(next) = self.get(last.number + 1) {
            last = next;
        }
        if last.number > known {
            self.known.fetch_max(last.number, Ordering::AcqRel);
        }
        last
    }

    /// Appends after `base`, and returns what it followed. Another handle may have been faster: then its writes are
    /// kept, and this one follows them if `replaces` says that it does not depend on them.
    pub(crate) fn append<'a>(
        &'a self,
        mut base: &'a Version<T>,
        current: Current<T>,
        done: impl Fn(Done) -> Done,
        replaces: bool,
    ) -> Result<&'a Version<T>, Refused> {
        let mut version = Version {
            number: base.number + 1,
            current,
            done: done(base.done),
        };
        loop {
            match self.slot(version.number).set(Next::Version(version)) {
                Err(Next::Version(back)) => version = back,
                Ok(()) | Err(Next::Closed) => {
                    self.give_back(base);
                    return Ok(base);
                }
            }
            base = match self.get(version.number) {
                Some(_) if replaces => self.last(),
                Some(_) => return Err(Refused::Conflict),
                None => return Err(Refused::Closed),
            };
            version.number = base.number + 1;
            version.done = done(base.done);
        }
    }

    /// Closes the row and returns its last version.
    pub(crate) fn close(&self) -> &Version<T> {
        loop {
            let last = self.last();
            if self.slot(last.number + 1).set(Next::Closed).is_ok() {
                return last;
            }
        }
    }

    /// Empties the payload of a version that other data follow: unlike the data, it is never lent. The payload of the
    /// first version stays, since a session that ends with the same bytes is not written.
    fn give_back(&self, superseded: &Version<T>) {
        let Some(old) = superseded.current.live() else {
            return;
        };
        let is_of = |version: Option<&Version<T>>| {
            let live = version.and_then(|version| version.current.live());
            live.is_some_and(|live| Arc::ptr_eq(&live.content, &old.content))
        };
        if !is_of(Some(&self.first)) && !is_of(self.get(superseded.number + 1)) {
            *old.content.payload() = Payload::default();
        }
    }

    fn get(&self, number: usize) -> Option<&Version<T>> {
        if number == 0 {
            return Some(&self.first);
        }
        let appended = self.appended.get()?;
        let slot = match appended.near.get(number - 1) {
            Some(near) => near,
            None => {
                let (page, at) = place(number);
                &appended.pages.get()?[page].get()?[at]
            }
        };
        match slot.get()? {
            Next::Version(version) => Some(version),
            Next::Closed => None,
        }
    }

    fn slot(&self, number: usize) -> &OnceLock<Next<T>> {
        let appended = self.appended.get_or_init(Box::default);
        if let Some(near) = appended.near.get(number - 1) {
            return near;
        }
        let (page, at) = place(number);
        let pages = || Box::new([const { OnceLock::new() }; PAGES]);
        let slots = || (0..length(page)).map(|_| OnceLock::new()).collect();
        &appended.pages.get_or_init(pages)[page].get_or_init(slots)[at]
    }
}

impl<T> Default for Appended<T> {
    fn default() -> Self {
        Self {
            near: [const { OnceLock::new() }; NEAR],
            pages: OnceLock::new(),
        }
    }
}

/// The page of a version that is not near, and its place there.
fn place(number: usize) -> (usize, usize) {
    let (mut page, mut at) = (0, number - 1 - NEAR);
    while at >= length(page) {
        at -= length(page);
        page += 1;
    }
    (page, at)
}

const NEAR: usize = 2;

const fn length(page: usize) -> usize {
    16 << (4 * page)
}

/// Together they have room for more versions than any memory holds: 7 * 10^10.
const PAGES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use crate::ids::SessionId;
    use crate::session::content::{Binding, Content, Facts, Live};

    fn content(number: u32) -> Arc<Content<u32>> {
        let mut buffer = Buffer::default();
        buffer.extend(b"1234");
        Arc::new(Content::new(number, Payload::new(buffer, 0..4)))
    }

    fn live(content: &Arc<Content<u32>>) -> Current<u32> {
        let facts = Facts {
            id: SessionId([1; 8]),
            started: 1,
            opened: 1,
            expires: 9,
            remembered: false,
            active_until: None,
            binding: Binding::Plain,
        };
        let content = Arc::clone(content);
        Current::Live(Live { content, facts })
    }

    fn has_payload(version: &Version<u32>) -> bool {
        version
            .current
            .live()
            .is_some_and(|live| live.content.payload().copy().is_some())
    }

    #[test]
    fn superseded_payloads_are_given_back_and_the_last_version_is_not_searched_from_the_beginning() {
        let first = content(0);
        let versions = Versions::new(live(&first));
        let append = |current| {
            let base = versions.last();
            assert!(versions.append(base, current, |done| done, false).is_ok());
            assert_eq!(versions.known.load(Ordering::Relaxed), base.number);
        };
        append(live(&first));
        for number in 1..1000 {
            append(live(&content(number)));
        }
        let renewed = versions.last().current.live().map(|live| Arc::clone(&live.content));
        append(live(&renewed.expect("just written")));
        for number in 0..=versions.last().number {
            let version = versions.get(number).expect("it was appended");
            let is_kept = !(2..1000).contains(&number);
            assert_eq!(has_payload(version), is_kept, "{number}");
        }
        append(Current::None(crate::session::SessionState::Ended));
        assert!(!has_payload(versions.get(1000).expect("it was appended")));
    }

    #[test]
    fn every_version_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for number in 1 + NEAR..70_000 {
            assert_eq!(place(number), expected);
            expected = match expected {
                (page, at) if at + 1 == length(page) => (page + 1, 0),
                (page, at) => (page, at + 1),
            };
        }
    }
}
