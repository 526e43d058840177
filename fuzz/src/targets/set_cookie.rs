//! For every configuration that `build` accepts, a strict parser reads the `Set-Cookie` lines back equal, and a browser
//! keeps them. A session takes as many cookies as the reference says, and those that came beyond them are removed.
//!
//! Input: switches, numbers, then lines: name, path, domain, audience. With the last switch, eight more bytes before the
//! lines: chunks, `largest_cookies`, the payload, and which other cookies came.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{
    Builder, KeyRing, Lifetime, RequestFields, SameSite, Session, SessionState, Sessions, WriteError,
};

use crate::fixtures::{at, key, rows, text};
use crate::input::Input;
use crate::reference::set_cookie::{Limits, Line, TooLarge, parse};
use crate::reference::token;

const NOW: u64 = 1_893_369_660;
const PAST: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
static RING: LazyLock<Arc<KeyRing>> = LazyLock::new(|| Arc::new(KeyRing::new(key(200))));

/// The configuration, as far as the lines show it.
struct Meant {
    name: String,
    path: String,
    domain: Option<String>,
    secure: bool,
    same_site: &'static str,
    partitioned: bool,
    /// Of ordinary and of remembered sessions.
    idle: [Option<u64>; 2],
    absolute: [u64; 2],
    limits: Limits,
    /// Whether a cookie with the number 2, 3 or 4 came.
    came: [bool; 3],
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let switches = input.byte();
    let is_set = |bit: u8| switches & 1 << bit != 0;
    let (same_site, same_site_name) = [
        (SameSite::Lax, "Lax"),
        (SameSite::Strict, "Strict"),
        (SameSite::None, "None"),
    ][input.below(3)];
    let [idle, absolute, remembered_idle, remembered_absolute] = [(); 4].map(|()| u64::from(input.number()));
    let pad_to = 1 + input.below(256);
    let mut two = || input.below(256) << 8 | input.below(256);
    // The payload and `largest_cookies` reach beyond what four cookies hold.
    let (chunks, largest, length, came) = if is_set(7) {
        let [chunks, largest, length, came] = [(); 4].map(|()| two());
        (Some((chunks % 6) as u8), 4000 + largest % 13_000, length % 13_000, came)
    } else {
        (None, 7500, 1, 0)
    };
    let Ok([name, path, domain, audience]) = [(); 4]
        .map(|()| str::from_utf8(input.line()))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|texts| [texts[0], texts[1], texts[2], texts[3]])
    else {
        return;
    };
    let configured = || {
        let mut builder = Sessions::<String>::builder(Arc::clone(&RING))
            .cookie_name(name)
            .audience(audience)
            .same_site(same_site)
            .partitioned(is_set(0))
            .lifetime(lifetime(is_set(1).then_some(idle), absolute))
            .pad_to(pad_to);
        if is_set(2) {
            builder = builder.remembered(lifetime(is_set(3).then_some(remembered_idle), remembered_absolute));
        }
        if is_set(4) {
            builder = builder.cookie_path(path);
        }
        if is_set(5) {
            builder = builder.cookie_domain(domain);
        }
        if is_set(6) {
            builder = builder.insecure_development_cookie(name);
        }
        builder
    };
    let Some(mut sessions) = built(configured()) else {
        return;
    };
    let ordinary = (is_set(1).then_some(idle), absolute);
    let remembered = if is_set(2) {
        (is_set(3).then_some(remembered_idle), remembered_absolute)
    } else {
        ordinary
    };
    let limits = Limits {
        name: name.len(),
        chunks: chunks.unwrap_or(1),
        largest_cookies: largest,
        pad_to,
        has_idle: ordinary.0.is_some() || remembered.0.is_some(),
    };
    if let Some(chunks) = chunks {
        let again = built(configured().chunks(chunks).largest_cookies(largest));
        assert_eq!(again.is_some(), limits.are_accepted(), "{limits:?}");
        let Some(again) = again else { return };
        sessions = again;
    }
    let meant = Meant {
        name: name.to_owned(),
        path: if is_set(4) { path } else { "/" }.to_owned(),
        domain: is_set(5).then(|| domain.to_owned()),
        secure: !is_set(6),
        same_site: same_site_name,
        partitioned: is_set(0),
        idle: [ordinary.0, remembered.0],
        absolute: [ordinary.1, remembered.1],
        limits,
        came: [0, 1, 2].map(|bit| came & 1 << bit != 0),
    };
    is_sent_as_meant(&sessions, &meant, false, length);
    if is_set(2) {
        is_sent_as_meant(&sessions, &meant, true, length);
    }
    is_removed_as_meant(&sessions, &meant);
}

fn built(builder: Builder<String>) -> Option<Sessions<String>> {
    let refusal = match builder.build() {
        Ok(sessions) => return Some(sessions),
        Err(error) => error.to_string(),
    };
    assert!(
        refusal.len() < 300 && !refusal.ends_with('.') && !refusal.contains('\n'),
        "{refusal}"
    );
    None
}

fn lifetime(idle: Option<u64>, absolute: u64) -> Lifetime {
    let lifetime = Lifetime::absolute(Duration::from_secs(absolute));
    match idle {
        Some(idle) => lifetime.idle(Duration::from_secs(idle)),
        None => lifetime.without_idle(),
    }
}

fn is_sent_as_meant(sessions: &Sessions<String>, meant: &Meant, remembered: bool, length: usize) {
    let mut session = sessions.load_at(meant.request(), at(NOW));
    let data = "x".repeat(length);
    // As JSON it has two quotes.
    let values = meant.limits.values(length + 2);
    match (session.start(data.clone()), &values) {
        (Ok(()), Ok(_)) => {}
        (
            Err(WriteError::TooLarge {
                size, limit, option, ..
            }),
            Err(expected),
        ) => {
            assert_eq!(TooLarge { size, limit, option }, *expected);
            assert!(size > limit);
            return;
        }
        (outcome, expected) => panic!("{outcome:?}, not {expected:?}"),
    }
    session.remember(remembered).expect("configured");
    let values = values.expect("it was sent");
    let lines = lines(&session);
    let idle = meant.idle[usize::from(remembered)];
    let absolute = meant.absolute[usize::from(remembered)];
    let max_age = |lasts: u64| remembered.then_some(lasts);
    // The other cookies, the removal of those that came beyond them, the session cookie, the activity cookie.
    let first = lines
        .iter()
        .position(|line| line.name == meant.name)
        .expect("a session cookie");
    let session_value = &lines[first].value;
    let mut expected = Vec::new();
    for (number, &length) in (2..).zip(&values[1..]) {
        let value = lines[expected.len()].value.clone();
        assert!(value.len() == length && value.starts_with(&session_value[40..48]));
        assert!(token::decode(value.as_bytes()).is_some(), "each is canonical");
        expected.push(meant.line(&format!(".{number}"), value, max_age(absolute), None));
    }
    expected.extend(meant.removals(values.len()));
    assert_eq!(session_value.len(), values[0]);
    let mut sent = vec![("", session_value, absolute, if values.len() == 1 { 1 } else { 7 })];
    if let Some(idle) = idle {
        sent.push(("-seen", &lines.last().expect("a line").value, idle, 2));
    }
    for (suffix, value, lasts, version) in sent {
        let claims = Claims::parse(value).expect("a token");
        let is_activity = version == 2;
        assert_eq!((claims.is_activity, claims.version), (is_activity, version));
        let chunks = if is_activity { 1 } else { values.len() };
        assert_eq!(
            (u64::from(claims.expires), usize::from(claims.chunks)),
            (NOW + lasts, chunks)
        );
        expected.push(meant.line(suffix, value.clone(), max_age(lasts), None));
    }
    assert_eq!(lines, expected);
    for line in &lines {
        assert_eq!(line.refusal(), None, "{line:?}");
    }
    let kept = lines.iter().filter(|line| line.max_age != Some(0));
    let pairs: Vec<String> = kept.map(|line| format!("{}={}", line.name, line.value)).collect();
    let field = pairs.join("; ");
    assert!(field.len() <= meant.limits.largest_cookies);
    let again = sessions.load_at(RequestFields::from_cookies([field]), at(NOW));
    assert_eq!(
        (again.state(), again.get(), again.is_remembered()),
        (SessionState::Valid, Some(&data), remembered)
    );
}

fn is_removed_as_meant(sessions: &Sessions<String>, meant: &Meant) {
    let mut session = sessions.load_at(meant.request(), at(NOW));
    session.end().expect("not finished");
    let mut expected = meant.removals(1);
    // The session cookie comes last: some clients keep all but the last one.
    expected.extend(["-seen", ""].map(|suffix| meant.removal(suffix)));
    assert_eq!(lines(&session), expected);
    for line in &expected {
        // A browser that refuses the removal of a cookie never accepted that cookie.
        let could_be_sent = !line.name.ends_with("-seen") || meant.idle.iter().any(Option::is_some);
        assert!(!could_be_sent || line.refusal().is_none(), "{line:?}");
    }
}

fn lines(session: &Session<String>) -> Vec<Line> {
    let patch = session.finish_patch(200);
    patch
        .set_cookies()
        .map(|line| parse(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

impl Meant {
    /// A request with the other cookies that came.
    fn request(&self) -> RequestFields {
        let numbers = (2..).zip(self.came).filter(|(_, came)| *came);
        RequestFields::from_cookies(numbers.map(|(number, _)| format!("{}.{number}=stray", self.name)))
    }

    /// Of the other cookies that came beyond so many of the session.
    fn removals(&self, chunks: usize) -> Vec<Line> {
        let numbers = (2..).zip(self.came).filter(|&(number, came)| came && number > chunks);
        numbers.map(|(number, _)| self.removal(&format!(".{number}"))).collect()
    }

    fn removal(&self, suffix: &str) -> Line {
        self.line(suffix, String::new(), Some(0), Some(PAST))
    }

    fn line(&self, suffix: &str, value: String, max_age: Option<u64>, expires: Option<&str>) -> Line {
        Line {
            name: format!("{}{suffix}", self.name),
            value,
            path: Some(self.path.clone()),
            domain: self.domain.clone(),
            max_age,
            expires: expires.map(str::to_owned),
            secure: self.secure,
            http_only: true,
            same_site: Some(self.same_site.to_owned()),
            partitioned: self.partitioned,
        }
    }
}

/// The configuration of each row, and some more of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |switches: u8, same_site: u8, limits: [u64; 4], lines: [&str; 4]| {
        let mut seed = vec![switches, same_site];
        limits
            .iter()
            .for_each(|&limit| seed.extend((limit as u32).to_be_bytes()));
        seed.push(0);
        seed.extend(lines.join("\n").into_bytes());
        seed
    };
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for row in rows("vectors") {
        let limits =
            ["idle", "absolute", "remembered_idle", "remembered_absolute"].map(|limit| row["limits"][limit].as_u64());
        let has = |index: usize| u8::from(limits[index].is_some());
        let switches = has(0) << 1 | has(3) << 2 | has(2) << 3;
        let lines = [text(row, "name"), "/", "", text(row, "audience")];
        seeds.push(seed(switches, 0, limits.map(Option::unwrap_or_default), lines));
    }
    seeds.sort();
    seeds.dedup();
    let limits = [1800, 43_200, 14 * 86_400, 90 * 86_400];
    for name in [
        "id",
        "__Host-id",
        "__Secure-id",
        "__Http-id",
        "__Host-Http-id",
        "__host-id",
        "__Host",
        "__Secure",
    ] {
        for (switches, path, domain) in [
            (0b10, "/", ""),
            (0b11111, "/app", ""),
            (0b101110, "/", "shop.example"),
            (0b1000010, "/", ""),
        ] {
            for same_site in 0..3 {
                seeds.push(seed(switches, same_site, limits, [name, path, domain, "shop"]));
            }
        }
    }
    for domain in ["-a.example", "a-.example", &format!("{}.example", "a".repeat(64))] {
        seeds.push(seed(0b100010, 0, limits, ["id", "/", domain, "shop"]));
    }
    // Chunks 0 to 5; `largest_cookies` beyond 4,000; the payload in front of each limit and behind it.
    let long = "n".repeat(252);
    for (name, chunks, largest, length) in [
        ("__Host-id", 1, 3500, 2993),
        ("__Host-id", 1, 3500, 2994),
        ("__Host-id", 2, 12_999, 2994),
        ("__Host-id", 2, 12_999, 6047),
        ("__Host-id", 2, 12_999, 6048),
        ("__Host-id", 3, 12_999, 9104),
        ("__Host-id", 3, 12_999, 9105),
        ("__Host-id", 4, 12_999, 12_161),
        ("__Host-id", 4, 12_999, 12_162),
        ("__Host-id", 2, 3500, 5482),
        ("__Host-id", 4, 3500, 5483),
        ("__Host-id", 4, 157, 1),
        ("__Host-id", 4, 158, 3000),
        ("__Host-id", 0, 3500, 1),
        ("__Host-id", 5, 3500, 1),
        ("i", 3, 3500, 4000),
        ("id", 4, 8000, 8000),
        ("shop", 4, 12_999, 12_000),
        (&long, 4, 12_999, 9000),
    ] {
        for (switches, pad_to, came) in [(0b1000_0110, 0, 0), (0b1000_1110, 0, 7), (0b1000_0000, 99, 5)] {
            let mut seed = seed(switches, 0, limits, ["", "", "", ""]);
            seed.truncate(18);
            seed.push(pad_to);
            seed.extend([chunks, largest, length, came].map(u16::to_be_bytes).concat());
            seed.extend(format!("{name}\n/\n\nshop").into_bytes());
            seeds.push(seed);
        }
    }
    seeds
}
