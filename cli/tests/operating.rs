//! The operator's page, followed word for word: every command of docs/operating.md, in order, by the real binary; and what it
//! says about events and reasons.
//!
//! `<!-- 91 days pass -->` in the page moves the command's clock.
//! The page names GNU's `date`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use sealed_session::{KeyRing, Lifetime, Reason, RequestFields, SessionState, Sessions};
use time::OffsetDateTime;

const PAGE: &str = include_str!("../../docs/operating.md");

/// What a section asks for.
#[derive(Debug, PartialEq)]
enum Step {
    Run(String),
    Wait(time::Duration),
}

/// The sections that have steps, by title, in order.
fn sections() -> Vec<(&'static str, Vec<Step>)> {
    let titled = PAGE
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap());
    titled
        .map(|(title, text)| (title, steps(text)))
        .filter(|(_, steps)| !steps.is_empty())
        .collect()
}

fn steps(text: &str) -> Vec<Step> {
    let (mut steps, mut block) = (Vec::new(), None::<String>);
    for line in text.lines() {
        match (&mut block, line.trim()) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => steps.extend(block.take().map(Step::Run)),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, line) => steps.extend(line.split_once("<!-- ").map(|(_, rest)| wait(rest))),
        }
    }
    assert!(block.is_none(), "a block does not end");
    steps
}

fn wait(comment: &str) -> Step {
    let words: Vec<&str> = comment.split(' ').collect();
    let &[count, unit, "pass", ..] = &*words else {
        panic!("not a wait: {comment}")
    };
    let count: i64 = count.parse().unwrap();
    Step::Wait(match unit {
        "days" => time::Duration::days(count),
        "hours" => time::Duration::hours(count),
        _ => panic!("not a unit: {unit}"),
    })
}

/// A shell in a directory of its own, with the command on its path under a clock that is moved.
struct Operator {
    directory: PathBuf,
    later: time::Duration,
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    fleet: Fleet,
}

impl Operator {
    fn new(section: &str) -> Self {
        let name: String = section.chars().filter(char::is_ascii_alphabetic).collect();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("operating-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let bin = directory.join("bin");
        fs::create_dir_all(&bin).unwrap();
        let clock = directory.join("clock");
        fs::write(&clock, "0").unwrap();
        let at = format!(
            "$(date -u -d \"@$(( $(date +%s) + $(cat '{}') ))\" +%Y-%m-%dT%H:%M:%SZ)",
            clock.display()
        );
        let command = format!(
            "#!/bin/sh\nexec '{}' --at \"{at}\" \"$@\"\n",
            env!("CARGO_BIN_EXE_tested-sealed-session")
        );
        fs::write(bin.join("sealed-session"), command).unwrap();
        fs::set_permissions(bin.join("sealed-session"), Permissions::from_mode(0o700)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash")
            .args(["-eu", "-o", "pipefail"])
            .current_dir(&directory)
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            directory,
            later: time::Duration::ZERO,
            input: shell.stdin.take().unwrap(),
            output: BufReader::new(shell.stdout.take().unwrap()),
            shell,
            fleet: Fleet::default(),
        }
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.later
    }

    fn follow(&mut self, step: &Step) -> String {
        match step {
            Step::Wait(span) => {
                self.later += *span;
                self.fleet.is_settled = true;
                fs::write(self.directory.join("clock"), self.later.whole_seconds().to_string()).unwrap();
                String::new()
            }
            // The binary of this crate is what it installs.
            Step::Run(block) if block.starts_with("cargo install --locked --path cli") => String::new(),
            Step::Run(block) => {
                let said = self.run(block);
                self.only_the_owner_reads();
                said
            }
        }
    }

    /// Whatever the page has written.
    #[track_caller]
    fn only_the_owner_reads(&self) {
        let files = fs::read_dir(&self.directory).unwrap().map(|file| file.unwrap().path());
        for file in files.filter(|file| file.extension().is_some()) {
            let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.display());
        }
    }

    /// Runs a block in the one shell of this operator, and returns what it printed.
    fn run(&mut self, block: &str) -> String {
        const END: &str = "== end of block";
        write!(self.input, "{block}\necho '{END}'\n").unwrap();
        let mut said = String::new();
        while !said.ends_with(&format!("{END}\n")) {
            if self.output.read_line(&mut said).unwrap() == 0 {
                let mut error = String::new();
                self.shell.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the shell ended in\n{block}\n{said}{error}");
            }
        }
        said
    }

    fn deployed(&self) -> Option<String> {
        fs::read_to_string(self.directory.join("deployed.txt")).ok()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Servers that have the ring that was deployed last, or the one before until time has passed, and the visitors that they know.
#[derive(Default)]
struct Fleet {
    rings: Vec<String>,
    /// Whether every server has the last ring.
    is_settled: bool,
    cookies: Vec<(OffsetDateTime, String)>,
}

const LONGEST: time::Duration = time::Duration::days(90);

fn server(ring: &str) -> Sessions<u32> {
    Sessions::builder(KeyRing::parse(ring).unwrap())
        .audience("shop-production")
        .lifetime(Lifetime::absolute(LONGEST.unsigned_abs()).without_idle())
        .build()
        .unwrap()
}

impl Fleet {
    /// A visitor signs in at a server with the ring that is deployed.
    fn sign_in(&mut self, ring: &str, now: OffsetDateTime) {
        if self.rings.last().is_none_or(|last| last != ring) {
            self.rings.push(ring.to_owned());
            self.is_settled = false;
        }
        self.cookies.push((now, server(ring).cookie_for_at(7, now).unwrap()));
    }

    /// Why servers refuse cookies that are alive.
    fn refused(&self, now: OffsetDateTime) -> Vec<Reason> {
        let rings = if self.is_settled { 1 } else { 2 };
        let rings = self.rings.iter().rev().take(rings);
        rings.flat_map(|ring| self.refused_by(ring, now)).collect()
    }

    fn refused_by(&self, ring: &str, now: OffsetDateTime) -> Vec<Reason> {
        let sessions = server(ring);
        let alive = self.cookies.iter().filter(|(made, _)| now - *made < LONGEST);
        let state = |(_, cookie): &(_, String)| {
            sessions
                .load_at(RequestFields::from_cookies([cookie.clone()]), now)
                .state()
        };
        let reason = |state| match state {
            SessionState::Valid => None,
            SessionState::Rejected(reason) => Some(reason),
            other => panic!("{other:?}"),
        };
        alive.map(state).filter_map(reason).collect()
    }
}

/// Follows the preparation and then a section, and calls `after` whenever a step is done.
fn follow(title: &str, mut after: impl FnMut(&mut Operator, &str)) -> Operator {
    let sections = sections();
    let of = |title: &str| &sections.iter().find(|(found, _)| *found == title).unwrap().1;
    let mut operator = Operator::new(title);
    for step in of("Preparation") {
        operator.follow(step);
    }
    let now = operator.now();
    let ring = operator.deployed().unwrap();
    operator.fleet.sign_in(&ring, now);
    for step in of(title) {
        let said = operator.follow(step);
        after(&mut operator, &said);
    }
    operator
}

/// Visitors come after every step; a visitor who came before a step is known after it, on servers that have the last ring and on
/// those that have not got it yet.
#[track_caller]
fn no_visitor_is_signed_out(title: &str) {
    let operator = follow(title, |operator, said| {
        assert!(!said.contains("FAILS"), "{said}");
        let (now, ring) = (operator.now(), operator.deployed().unwrap());
        operator.fleet.sign_in(&ring, now);
        assert_eq!(operator.fleet.refused(now), [], "{title}");
    });
    let rings = &operator.fleet.rings;
    let keys = |ring: &String| KeyRing::parse(ring).unwrap().describe();
    let (first, last) = (keys(&rings[0]), keys(rings.last().unwrap()));
    assert_eq!((first.len(), last.len()), (1, 1));
    assert_ne!(first[0].id, last[0].id, "the rotation came to its end");
    let ring = fs::read_to_string(operator.directory.join("ring.txt")).unwrap();
    assert_eq!(operator.deployed().unwrap(), ring);
    assert!(rings.iter().map(|ring| keys(ring).len()).max() == Some(2));
}

#[test]
fn the_page_has_these_sections_to_follow() {
    let titles: Vec<_> = sections().into_iter().map(|(title, _)| title).collect();
    let tested = [
        "Preparation",
        "Rotation, step by step",
        "Rotation in one deploy",
        "A secret was stolen",
        "Restore",
        "One visitor's trouble",
    ];
    assert_eq!(titles, tested, "each has a test below");
    for (_, heading) in PAGE.match_indices("](#").map(|(at, _)| PAGE[at..].split_at(3)) {
        let anchor = heading.split(')').next().unwrap();
        let slug = |title: &str| title.to_lowercase().replace([',', '\''], "").replace(' ', "-");
        assert!(
            PAGE.lines()
                .any(|line| line.starts_with("## ") && slug(&line[3..]) == anchor),
            "{anchor}"
        );
    }
}

#[test]
fn a_rotation_step_by_step_signs_no_visitor_out() {
    no_visitor_is_signed_out("Rotation, step by step");
}

#[test]
fn a_rotation_in_one_deploy_signs_no_visitor_out() {
    no_visitor_is_signed_out("Rotation in one deploy");
}

#[test]
fn the_old_key_cannot_be_retired_before_the_wait() {
    for (title, steps) in sections()
        .into_iter()
        .filter(|(title, _)| title.starts_with("Rotation"))
    {
        let mut operator = Operator::new(&format!("early {title}"));
        let preparation = sections().remove(0).1;
        let retires = |step: &&Step| matches!(step, Step::Run(block) if block.contains("ring retire"));
        for step in preparation.iter().chain(steps.iter().filter(|step| !retires(step))) {
            match step {
                Step::Wait(_) => {}
                // Without the wait the other key does not seal yet.
                Step::Run(block) if block.starts_with("test ") => {}
                step => drop(operator.follow(step)),
            }
        }
        let Some(Step::Run(retire)) = steps.iter().find(retires) else {
            panic!("{title} retires no key")
        };
        let line = retire.lines().find(|line| line.contains("ring retire")).unwrap();
        // The page says how the id is found again in another shell.
        operator.run("sealed-session ring show ring.txt | grep -E 'sealed until|seals, until' | grep \"$OLD\"");
        let said = operator.run(&format!("{line} 2>&1 || test $? = 1"));
        assert!(said.contains("must stay until"), "{title}: {said}");
    }
}

#[test]
fn after_a_theft_nothing_of_the_old_ring_opens() {
    let mut first = None;
    let operator = follow("A secret was stolen", |operator, _| {
        first.get_or_insert(operator.deployed().unwrap());
    });
    let now = operator.now();
    let (ring, stolen) = (operator.deployed().unwrap(), &operator.fleet.rings[0]);
    assert_ne!(&ring, stolen);
    assert_eq!(first.as_ref(), Some(&ring), "the first step ends the sessions");
    assert_eq!(operator.fleet.refused_by(&ring, now), [Reason::UnknownKey]);
    assert_eq!(fs::read_to_string(operator.directory.join("ring.txt")).unwrap(), ring);
    let edge = fs::read_to_string(operator.directory.join("edge-keys.json")).unwrap();
    let id = KeyRing::parse(&ring).unwrap().describe()[0].id.to_string();
    assert!(edge.contains(&id));
}

#[test]
fn a_lost_ring_is_made_anew() {
    let operator = follow("Restore", |_, _| {});
    let now = operator.now();
    let ring = operator.deployed().unwrap();
    assert_eq!(operator.fleet.refused_by(&ring, now), [Reason::UnknownKey]);
}

#[test]
fn a_visitors_cookie_is_explained() {
    let sections = sections();
    let of = |title: &str| &sections.iter().find(|(found, _)| *found == title).unwrap().1;
    let mut operator = Operator::new("cookie");
    for step in of("Preparation") {
        operator.follow(step);
    }
    // As the application of the page makes it.
    let day = |count: u64| Duration::from_secs(count * 86_400);
    let sessions = Sessions::builder(KeyRing::parse(&operator.deployed().unwrap()).unwrap())
        .audience("shop-production")
        .remembered(Lifetime::absolute(day(90)).idle(day(14)))
        .build()
        .unwrap();
    let cookie = sessions.cookie_for_at(7, operator.now()).unwrap();
    let file = operator.directory.join("cookie.txt");
    fs::write(&file, format!("Cookie: {cookie}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let said: String = of("One visitor's trouble")
        .iter()
        .map(|step| operator.follow(step))
        .collect();
    assert!(said.contains("valid"), "{said}");
    assert!(!file.exists());
}

/// The rows of the table under this header: the cells.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(header).unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_reason_is_in_the_table_and_claims_are_marked() {
    let listed: BTreeMap<&str, bool> = table("| reason | means |")
        .iter()
        .flat_map(|row| {
            let names = row[0].trim_end_matches(" (claim)");
            names
                .split(", ")
                .map(|name| (name, names != row[0]))
                .collect::<Vec<_>>()
        })
        .collect();
    let reasons = Reason::ALL.iter().map(|reason| (reason.name(), reason.is_claim()));
    assert_eq!(listed, reasons.collect());
}

/// A rule about an event or a reason that does not exist would never alert.
#[test]
fn the_alert_rules_name_what_there_is() {
    let (_, rules) = PAGE.split_once("```yaml").unwrap();
    let (rules, _) = rules.split_once("```").unwrap();
    let named = |label: &str| -> BTreeSet<&str> {
        let start = format!("{label}=\"");
        let values = rules.split(&*start).skip(1);
        values.map(|rest| rest.split('"').next().unwrap()).collect()
    };
    let events: BTreeSet<&str> = table("| event | level |")
        .iter()
        .flat_map(|row| row[0].split(", ").map(|name| name.trim_matches('`')))
        .collect();
    assert!(named("event").len() > 2 && named("event").is_subset(&events), "{rules}");
    let reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert!(named("reason").is_subset(&reasons), "{rules}");
}
