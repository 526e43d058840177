//! For every configuration that `build` accepts, a strict parser reads the `Set-Cookie` lines back equal, and a browser
//! keeps them.
//!
//! Input: switches, numbers, then lines: name, path, domain, audience.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{KeyRing, Lifetime, RequestFields, SameSite, Session, SessionState, Sessions, WriteError};

use crate::fixtures::{at, key, rows, text};
use crate::input::Input;
use crate::reference::set_cookie::{Line, parse};

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
    let Ok([name, path, domain, audience]) = [(); 4]
        .map(|()| str::from_utf8(input.line()))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|texts| [texts[0], texts[1], texts[2], texts[3]])
    else {
        return;
    };
    let mut builder = Sessions::<u32>::builder(Arc::clone(&RING))
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
    let sessions = match builder.build() {
        Ok(sessions) => sessions,
        Err(error) => {
            let error = error.to_string();
            assert!(
                error.len() < 300 && !error.ends_with('.') && !error.contains('\n'),
                "{error}"
            );
            return;
        }
    };
    let ordinary = (is_set(1).then_some(idle), absolute);
    let remembered = if is_set(2) {
        (is_set(3).then_some(remembered_idle), remembered_absolute)
    } else {
        ordinary
    };
    let meant = Meant {
        name: name.to_owned(),
        path: if is_set(4) { path } else { "/" }.to_owned(),
        domain: is_set(5).then(|| domain.to_owned()),
        secure: !is_set(6),
        same_site: same_site_name,
        partitioned: is_set(0),
        idle: [ordinary.0, remembered.0],
        absolute: [ordinary.1, remembered.1],
    };
    is_sent_as_meant(&sessions, &meant, false);
    if is_set(2) {
        is_sent_as_meant(&sessions, &meant, true);
    }
    is_removed_as_meant(&sessions, &meant);
}

fn lifetime(idle: Option<u64>, absolute: u64) -> Lifetime {
    let lifetime = Lifetime::absolute(Duration::from_secs(absolute));
    match idle {
        Some(idle) => lifetime.idle(Duration::from_secs(idle)),
        None => lifetime.without_idle(),
    }
}

fn is_sent_as_meant(sessions: &Sessions<u32>, meant: &Meant, remembered: bool) {
    let mut session = sessions.load_at(RequestFields::default(), at(NOW));
    match session.start(7) {
        Ok(()) => {}
        // A long name leaves too little room for the padding.
        Err(WriteError::TooLarge { size, limit, .. }) => {
            assert!(size > limit && limit == 4096);
            return;
        }
        Err(error) => panic!("{error}"),
    }
    session.remember(remembered).expect("configured");
    let lines = lines(&session);
    let idle = meant.idle[usize::from(remembered)];
    let absolute = meant.absolute[usize::from(remembered)];
    assert_eq!(lines.len(), if idle.is_some() { 2 } else { 1 });
    let lasts = [Some(absolute), idle];
    let mut pairs = Vec::new();
    for ((line, is_activity), lasts) in lines.iter().zip([false, true]).zip(lasts) {
        let lasts = lasts.expect("two lines only with an idle timeout");
        assert_eq!(line.refusal(), None, "{line:?}");
        let claims = Claims::parse(&line.value).expect("a token");
        assert_eq!(
            (claims.is_activity, u64::from(claims.expires)),
            (is_activity, NOW + lasts)
        );
        assert_eq!(
            *line,
            meant.line(is_activity, line.value.clone(), remembered.then_some(lasts), None)
        );
        pairs.push(format!("{}={}", line.name, line.value));
    }
    let again = sessions.load_at(RequestFields::from_cookies([pairs.join("; ")]), at(NOW));
    assert_eq!(
        (again.state(), again.get(), again.is_remembered()),
        (SessionState::Valid, Some(&7), remembered)
    );
}

fn is_removed_as_meant(sessions: &Sessions<u32>, meant: &Meant) {
    let mut session = sessions.load_at(RequestFields::default(), at(NOW));
    session.end().expect("not finished");
    let lines = lines(&session);
    assert_eq!(lines.len(), 2);
    // The session cookie comes last: some clients keep all but the last one.
    for (line, is_activity) in lines.iter().zip([true, false]) {
        assert_eq!(*line, meant.line(is_activity, String::new(), Some(0), Some(PAST)));
        // A browser that refuses the removal of a cookie never accepted that cookie.
        let could_be_sent = !is_activity || meant.idle.iter().any(Option::is_some);
        assert!(!could_be_sent || line.refusal().is_none(), "{line:?}");
    }
}

fn lines(session: &Session<u32>) -> Vec<Line> {
    let patch = session.finish_patch(200);
    patch
        .set_cookies()
        .map(|line| parse(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

impl Meant {
    fn line(&self, is_activity: bool, value: String, max_age: Option<u64>, expires: Option<&str>) -> Line {
        Line {
            name: format!("{}{}", self.name, if is_activity { "-seen" } else { "" }),
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
    seeds
}
