//! Many threads ask for the same sessions while one of them revokes sessions or replaces the ring.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::thread;

use super::*;

const READERS: usize = 4;
const ROUNDS: usize = 60;

fn user(sessions: &Sessions<Data>, cookies: &str) -> Option<u32> {
    let fields = RequestFields::from_cookies([cookies.to_owned()]);
    sessions.load_at(fields, after(0)).get().map(|data| data.user)
}

/// Runs a writer and readers. In each round the writer makes one change, and each reader asks several times: before,
/// meanwhile and after. `change` counts the changes, and is odd while one is made. A reader is told what the count was
/// before and after it asked.
fn run(change: impl Fn(usize) + Sync, ask: impl Fn(usize, &dyn Fn() -> usize) + Sync) {
    let (count, round) = (AtomicUsize::new(0), Barrier::new(READERS + 1));
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..ROUNDS {
                round.wait();
                count.fetch_add(1, Ordering::SeqCst);
                change(number);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        for _ in 0..READERS {
            scope.spawn(|| {
                for number in 0..ROUNDS {
                    round.wait();
                    for _ in 0..6 {
                        ask(number, &|| count.load(Ordering::SeqCst));
                    }
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 2 * ROUNDS);
}

#[test]
fn after_a_revocation_no_thread_gets_the_session() {
    let sessions = Sessions::builder(ring()).clock(|| after(0)).build().unwrap();
    let cookies: Vec<_> = (0..ROUNDS as u32)
        .map(|user| sessions.cookie_for_at(Data { user }, after(0)).unwrap())
        .collect();
    let id = |cookies: &String| {
        let session = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), after(0));
        session.id().unwrap()
    };
    let ids: Vec<_> = cookies.iter().map(id).collect();
    run(
        |number| sessions.revoke(ids[number]),
        |number, count| {
            // The session of this round, and the ones of the rounds before and after it.
            for asked in [number, number.saturating_sub(1), (number + 1).min(ROUNDS - 1)] {
                let begun = count();
                let got = user(&sessions, &cookies[asked]);
                let done = count();
                assert!(got.is_none() || got == Some(asked as u32), "another visitor's data");
                // The change of round n is made while the count is 2 n + 1.
                if begun > 2 * asked + 1 {
                    assert_eq!(got, None, "it was revoked before");
                }
                if done < 2 * asked + 1 {
                    assert_eq!(got, Some(asked as u32), "it was not revoked yet");
                }
            }
        },
    );
}

#[test]
fn after_a_change_of_keys_no_thread_gets_a_session_of_the_old_ring() {
    let rings = [1, 2].map(|number| Arc::new(KeyRing::new(key(number))));
    let sessions = Sessions::<Data>::builder(Arc::clone(&rings[0])).build().unwrap();
    let cookies: Vec<_> = (0..2)
        .map(|number| {
            sessions.replace_keys(Arc::clone(&rings[number]));
            let data = Data { user: number as u32 };
            sessions.cookie_for_at(data, after(0)).unwrap()
        })
        .collect();
    // From here on, an even number of changes means the second ring.
    run(
        |number| sessions.replace_keys(Arc::clone(&rings[number % 2])),
        |_, count| {
            for (number, cookies) in cookies.iter().enumerate() {
                let begun = count();
                let got = user(&sessions, cookies);
                if begun == count() && begun % 2 == 0 {
                    let is_in_use = (begun / 2 + 1) % 2 == number;
                    assert_eq!(got.is_some(), is_in_use, "after {} changes", begun / 2);
                }
                assert!(got.is_none() || got == Some(number as u32));
            }
        },
    );
}
