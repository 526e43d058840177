//! Opened sessions that `Sessions` keeps: they are on the heap while they are kept, and no longer.
//!
//! The process that is searched gets the tokens from here and clears what it got. So a copy that is found is the crate's.

use sealed_session::{Key, KeyRing, RequestFields, Sessions};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::needles::{Needle, add, secret_head, secret_text, tokens};
use crate::search::{Found, STACK, Searched};
use crate::server::{Data, Order, backwards};
use crate::{Outcome, SECRET, random_word};

/// A session, named by how its entry goes.
struct Sealed {
    fate: &'static str,
    cookies: String,
    words: [String; 2],
}

const TEXT: &str = "token text";
const MARK: &str = "mark in the token text";
const ACTIVITY: &str = "activity text";
const HEAD: &str = "token, decoded";
const PAYLOAD: &str = "payload";
const CLEARED: &str = "data that clear themselves";
const PLAIN: &str = "data that do not";
/// What may be left of a session that is no longer kept.
const REPORTED: [&str; 2] = [MARK, PLAIN];
const KINDS: [&str; 7] = [TEXT, MARK, ACTIVITY, HEAD, PAYLOAD, CLEARED, PLAIN];

impl Sealed {
    fn new(sessions: &Sessions<Data>, fate: &'static str, now: OffsetDateTime) -> Outcome<Self> {
        let words = [random_word(64), random_word(64)];
        let cookies = sessions.cookie_for_at(data(&words), now)?;
        Ok(Self { fate, cookies, words })
    }

    /// A later state of this session, with other data and another activity token.
    fn update(&self, sessions: &Sessions<Data>, fate: &'static str, now: OffsetDateTime) -> Outcome<Self> {
        let words = [random_word(64), random_word(64)];
        let fields = RequestFields::from_cookies([self.cookies.clone()]);
        let mut session = sessions.load_at(fields, now + Duration::minutes(4));
        session
            .update(|old| *old = data(&words))?
            .option()
            .ok_or("no session")?;
        let patch = session.finish_patch(200);
        let pairs: Vec<_> = patch.set_cookies().filter_map(|line| line.split(';').next()).collect();
        if pairs.len() != 2 {
            return Err("an update after four minutes sends two cookies".into());
        }
        Ok(Self {
            fate,
            cookies: pairs.join("; "),
            words,
        })
    }

    fn needles(&self) -> Outcome<Vec<Needle>> {
        let mut needles = Vec::new();
        let (token, activity) = tokens(&self.cookies)?;
        let mut add = |kind: &str, bytes: &[u8]| add(&mut needles, &format!("{}: {kind}", self.fate), bytes);
        add(TEXT, secret_text(token));
        // The library finds the session by these characters, and its table does not clear them.
        add(MARK, token.as_bytes().get(40..56).ok_or("a short token")?);
        add(ACTIVITY, secret_text(activity));
        add(HEAD, &secret_head(token)?);
        self.words.iter().for_each(|word| add(PAYLOAD, word.as_bytes()));
        add(CLEARED, &backwards(&self.words[0]).0);
        add(PLAIN, &backwards(&self.words[1]).0);
        Ok(needles)
    }
}

fn data(words: &[String; 2]) -> Data {
    Data {
        cleared: Zeroizing::new(backwards(&words[0])),
        plain: backwards(&words[1]),
    }
}

/// The process that is searched, and the sessions that it was given.
struct Server {
    searched: Searched,
    /// These are another server's, which has the same secret.
    sessions: Sessions<Data>,
    came: Vec<Sealed>,
    now: OffsetDateTime,
}

impl Server {
    fn start(room: u64) -> Outcome<Self> {
        let mut secret = [0; SECRET];
        fastrand::Rng::new().fill(&mut secret);
        let sessions = Sessions::builder(KeyRing::new(Key::from_raw_secret(&secret)?)).build()?;
        let mut searched = Searched::start("serve")?;
        searched.send(&secret)?;
        searched.send(&room.to_be_bytes())?;
        let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
        let came = Vec::new();
        Ok(Self {
            searched,
            sessions,
            came,
            now,
        })
    }

    fn tell(&mut self, order: Order, field: &[u8]) -> Outcome<()> {
        self.tell_at(order, self.now, field)
    }

    fn tell_at(&mut self, order: Order, at: OffsetDateTime, field: &[u8]) -> Outcome<()> {
        let time = at.unix_timestamp().to_be_bytes();
        let length = u32::try_from(field.len())?.to_be_bytes();
        self.searched
            .send(&[&[order as u8], &time[..], &length, field].concat())?;
        self.searched.lines_until_ready()?;
        Ok(())
    }

    /// A session comes for the first time.
    fn come(&mut self, fate: &'static str) -> Outcome<()> {
        let sealed = Sealed::new(&self.sessions, fate, self.now)?;
        self.tell(Order::Open, sealed.cookies.as_bytes())?;
        self.came.push(sealed);
        Ok(())
    }

    /// A session that came is updated, and comes with its newer token.
    fn update(&mut self, older: &str, fate: &'static str) -> Outcome<()> {
        let sealed = self.of(older)?.update(&self.sessions, fate, self.now)?;
        self.tell(Order::Open, sealed.cookies.as_bytes())?;
        self.came.push(sealed);
        Ok(())
    }

    fn of(&self, fate: &str) -> Outcome<&Sealed> {
        Ok(self
            .came
            .iter()
            .find(|sealed| sealed.fate == fate)
            .ok_or("no such session")?)
    }

    fn cookies(&self, fate: &str) -> Outcome<String> {
        Ok(self.of(fate)?.cookies.clone())
    }

    /// Searches, and compares with what should be there.
    fn expect(&mut self, stage: &str, kept: &[&str]) -> Outcome<()> {
        println!("{stage}");
        let needles: Vec<_> = self.came.iter().map(Sealed::needles).collect::<Outcome<_>>()?;
        let needles: Vec<_> = needles.into_iter().flatten().collect();
        let found = self.searched.find(&needles)?;
        let fates: Vec<_> = self.came.iter().map(|sealed| sealed.fate).collect();
        judge(&found, &fates, kept)
    }
}

/// Everything of a kept session must be on the heap, and nothing of the others. Two kinds are reported only: data that
/// do not clear themselves are the application's, and a mark opens nothing.
fn judge(found: &Found, fates: &[&str], kept: &[&str]) -> Outcome<()> {
    let mut wrong = Vec::new();
    for &fate in fates {
        for kind in KINDS {
            let name = format!("{fate}: {kind}");
            let of_name = || found.iter().filter(|((found, _), _)| *found == name);
            let count = |on_stack| -> usize {
                let of_region = of_name().filter(|((_, region), _)| (region == STACK) == on_stack);
                of_region.map(|(_, count)| count).sum()
            };
            let (heap, stack) = (count(false), count(true));
            if kept.contains(&fate) {
                if heap == 0 {
                    wrong.push(format!("the control did not find what is kept: {name}"));
                }
            } else if heap + stack > 0 {
                println!("  left of {name:<38} {heap:>4} pieces on the heap, {stack} on the stack");
                if heap > 0 && !REPORTED.contains(&kind) {
                    wrong.push(format!("left outside the stack: {name}"));
                }
            }
        }
    }
    match kept {
        [] => println!("  nothing is kept"),
        kept => println!("  found as it should be: {}", kept.join(", ")),
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

pub(crate) fn search() -> Outcome<()> {
    let server = &mut Server::start(8 * 1024 * 1024)?;
    let all = ["unused", "ended", "started over", "revoked", "idle"];
    for fate in all {
        server.come(fate)?;
    }
    server.update("unused", "stays")?;
    server.update("revoked", "revoked, newer")?;
    let all = [&all[..], &["stays", "revoked, newer"]].concat();
    server.expect(
        "\ncontrol: all that came are kept, and an older token stays beside a newer one",
        &all,
    )?;

    server.tell(Order::End, server.cookies("ended")?.as_bytes())?;
    server.tell(Order::Start, server.cookies("started over")?.as_bytes())?;
    let revoked = server.cookies("revoked")?;
    let revoked = server
        .sessions
        .load_at(RequestFields::from_cookies([revoked]), server.now);
    server.tell(Order::Revoke, &revoked.id().ok_or("no session")?.to_bytes())?;
    let idle = server.cookies("idle")?;
    server.tell(Order::Refuse, idle.split_once(';').ok_or("two cookies")?.0.as_bytes())?;
    server.expect(
        "one was ended, started over, revoked with both tokens, or came idle",
        &["unused", "stays"],
    )?;

    let later = server.now + Duration::seconds(70);
    server.tell_at(
        Order::Open,
        later - Duration::seconds(5),
        server.cookies("stays")?.as_bytes(),
    )?;
    // Each request sweeps a little, also one without a session.
    for _ in 0..40 {
        server.tell_at(Order::Refuse, later, b"")?;
    }
    server.expect("an older token was not used for more than a minute", &["stays"])?;

    server.now = later;
    server.tell(Order::ReplaceKeys, b"")?;
    server.expect("the keys were replaced", &[])?;

    let both = ["stays", "unused"];
    for fate in both {
        server.tell(Order::Open, server.cookies(fate)?.as_bytes())?;
    }
    server.expect("control: two came again", &both)?;
    server.tell_at(Order::CutOff, server.now - Duration::days(1), b"")?;
    server.expect("the cut-off was raised", &[])?;

    for fate in both {
        server.tell(Order::Open, server.cookies(fate)?.as_bytes())?;
    }
    server.expect("control: two came again", &both)?;
    server.tell(Order::Drop, b"")?;
    server.expect("all was dropped", &[])?;
    search_evicted()?;
    search_string()
}

/// A cache with room for a few sessions, and more of them than that.
fn search_evicted() -> Outcome<()> {
    let server = &mut Server::start(64 * 1024)?;
    server.come("evicted")?;
    server.expect("\ncontrol: a session in a small cache", &["evicted"])?;
    for _ in 0..200 {
        let other = Sealed::new(&server.sessions, "other", server.now)?;
        // Those that come again drive the others out.
        for _ in 0..2 {
            server.tell(Order::Open, other.cookies.as_bytes())?;
        }
    }
    server.expect("200 others came", &[])
}

/// Where a framework keeps the `Cookie` field in memory that it does not clear.
fn search_string() -> Outcome<()> {
    let server = &mut Server::start(0)?;
    let sealed = Sealed::new(&server.sessions, "a Cookie field that is not cleared", server.now)?;
    server.tell(Order::OpenString, sealed.cookies.as_bytes())?;
    server.tell(Order::Drop, b"")?;
    println!("\na Cookie field that is not cleared, without a cache, all dropped: reported only");
    let found = server.searched.find(&sealed.needles()?)?;
    for ((name, region), count) in &found {
        println!("  {name:<64} {count:>4} times on the {region}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kinds: &[(&str, &str, &str)]) -> Found {
        let name = |(fate, kind, region): &(&str, &str, &str)| ((format!("{fate}: {kind}"), (*region).to_owned()), 1);
        kinds.iter().map(name).collect()
    }

    #[test]
    fn what_is_kept_must_be_on_the_heap_with_all_its_parts() {
        let all = KINDS.map(|kind| ("one", kind, "heap"));
        assert!(judge(&found(&all), &["one"], &["one"]).is_ok());
        for missing in KINDS {
            let others: Vec<_> = all.into_iter().filter(|(_, kind, _)| *kind != missing).collect();
            assert!(judge(&found(&others), &["one"], &["one"]).is_err(), "{missing}");
        }
        assert!(
            judge(
                &found(&all.map(|(fate, kind, _)| (fate, kind, STACK))),
                &["one"],
                &["one"]
            )
            .is_err()
        );
        assert!(judge(&found(&all), &["one", "two"], &["one", "two"]).is_err());
    }

    #[test]
    fn of_what_went_only_a_mark_and_data_that_do_not_clear_themselves_may_be_left() {
        assert!(judge(&found(&[]), &["one"], &[]).is_ok());
        for kind in KINDS {
            for region in ["heap", "anonymous memory"] {
                let left = judge(&found(&[("one", kind, region)]), &["one"], &[]);
                assert_eq!(left.is_ok(), [MARK, PLAIN].contains(&kind), "{kind} on the {region}");
            }
            assert!(judge(&found(&[("one", kind, STACK)]), &["one"], &[]).is_ok());
        }
    }

    #[test]
    fn data_lie_backwards_and_read_back() {
        let sessions = Sessions::<Data>::builder(KeyRing::new(Key::generate().unwrap()))
            .build()
            .unwrap();
        let sealed = Sealed::new(&sessions, "one", OffsetDateTime::now_utc()).unwrap();
        let session = sessions.load(RequestFields::from_cookies([sealed.cookies.clone()]));
        let data = session.get().unwrap();
        for (lies, word) in [&data.cleared, &data.plain].into_iter().zip(&sealed.words) {
            let forwards: Vec<u8> = lies.0.iter().rev().copied().collect();
            assert_eq!(forwards, word.as_bytes());
        }
    }
}
