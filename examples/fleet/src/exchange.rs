//! When lists are exchanged, by any channel: at once with news, at intervals, and once before the first request.

use std::error::Error;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Problem = Box<dyn Error + Send + Sync>;

/// A place where servers leave their own lists and find those of the others.
///
/// Joining loses nothing and needs no order, so an exchange that failed halfway is simply repeated.
pub(crate) trait Exchange: Send {
    fn exchange(&mut self) -> Result<(), Problem>;
}

/// Exchanges until it has worked once.
pub(crate) fn once(place: &mut dyn Exchange, contact: &Contact, interval: Duration) {
    while !attempt(place, contact) {
        thread::sleep(interval);
    }
}

/// Exchanges whenever there is news, and otherwise once per interval. Never returns.
pub(crate) fn keep(place: &mut dyn Exchange, contact: &Contact, news: &Receiver<()>, interval: Duration) {
    while news.recv_timeout(interval) != Err(RecvTimeoutError::Disconnected) {
        attempt(place, contact);
    }
}

fn attempt(place: &mut dyn Exchange, contact: &Contact) -> bool {
    let exchanged = place.exchange();
    contact.note(&exchanged);
    exchanged.is_ok()
}

/// When the last exchange worked. Prints once when the contact is lost, and once when it is back.
#[derive(Clone, Default)]
pub(crate) struct Contact(Arc<Mutex<Last>>);

#[derive(Default)]
struct Last {
    worked: Option<Instant>,
    is_lost: bool,
}

impl Contact {
    fn note(&self, exchanged: &Result<(), Problem>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match exchanged {
            Ok(()) => {
                if last.is_lost {
                    println!("in touch again");
                }
                *last = Last {
                    worked: Some(Instant::now()),
                    is_lost: false,
                };
            }
            Err(problem) if !last.is_lost => {
                println!("cut off: {problem}");
                last.is_lost = true;
            }
            Err(_) => {}
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = if last.is_lost { "no" } else { "yes" };
        match last.worked {
            Some(worked) => write!(f, "{state}, last {} s ago", worked.elapsed().as_secs()),
            None => f.write_str("no, never"),
        }
    }
}

/// Wakes a thread. A thread that is busy is woken once afterwards, however often it was called.
#[derive(Clone)]
pub(crate) struct Waker(SyncSender<()>);

pub(crate) fn waker() -> (Waker, Receiver<()>) {
    let (sender, receiver) = sync_channel(1);
    (Waker(sender), receiver)
}

impl Waker {
    /// Never waits, because it is called while a request is served.
    pub(crate) fn wake(&self) {
        // Full: it will wake anyway. Disconnected: the program ends.
        let _ = self.0.try_send(());
    }
}
