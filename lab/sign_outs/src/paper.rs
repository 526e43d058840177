//! Larger fleets, by calculation from what RESULTS.md says.

/// Bytes of an entry, in a server and in Redis.
const SERVER_ENTRY: f64 = 16.5;
const REDIS_ENTRY: f64 = 122.0;
/// A server that joins: seconds an entry, bytes an entry, CPU seconds of Redis an entry.
const JOIN: f64 = 1.4e-6;
const JOIN_BYTES: f64 = 31.0;
const JOIN_CPU: f64 = 0.35e-6;
/// CPU seconds of Redis: to put a sign-out, to answer a reader, and for each piece of news in the answer. This is what a
/// busy Redis needs; one that must wake up for each command needs several times as much.
const PUT_CPU: f64 = 20e-6;
const READ_CPU: f64 = 12e-6;
const NEWS_CPU: f64 = 0.24e-6;
/// Bytes out of Redis for the same.
const PUT_BYTES: f64 = 31.0;
const READ_BYTES: f64 = 45.0;
const NEWS_BYTES: f64 = 76.0;
/// Of `redis/src`: seconds between two readings, and the news in the stream.
const GATHER: f64 = 0.15;
const MOST_NEWS: f64 = 65_536.0;

/// Days in sessions' lives, seconds of a day, and how many times the average the busiest minutes have.
const LIFE: f64 = 0.5;
const DAY: f64 = 86_400.0;
const PEAK: f64 = 3.0;

/// A bound: its name, and whether a fleet keeps it.
type Bound = (&'static str, fn(&Fleet) -> bool);
/// A row of the table: its name and its cell for a fleet.
type Row = (&'static str, fn(&Fleet) -> String);

#[derive(Clone, Copy)]
struct Fleet {
    servers: f64,
    sign_outs_a_day: f64,
}

impl Fleet {
    fn entries(&self) -> f64 {
        self.sign_outs_a_day * LIFE
    }

    /// Sign-outs a second in the busiest minutes.
    fn rate(&self) -> f64 {
        self.sign_outs_a_day / DAY * PEAK
    }

    /// Answers to all readers, a second.
    fn reads(&self) -> f64 {
        self.servers / (GATHER + 1.0 / self.rate())
    }

    fn news(&self) -> f64 {
        self.rate() * self.servers
    }

    fn bytes(&self) -> f64 {
        self.rate() * PUT_BYTES + self.reads() * READ_BYTES + self.news() * NEWS_BYTES
    }

    fn cpu(&self) -> f64 {
        self.rate() * PUT_CPU + self.reads() * READ_CPU + self.news() * NEWS_CPU
    }

    /// Seconds of news in the stream.
    fn kept(&self) -> f64 {
        MOST_NEWS / self.rate()
    }

    fn join(&self) -> f64 {
        self.entries() * JOIN
    }

    /// Seconds until all servers have joined that start at once: Redis is the bottleneck.
    fn join_all(&self) -> f64 {
        self.entries() * JOIN_CPU * self.servers
    }

    /// The most sign-outs a day with which the bound is kept.
    fn most(servers: f64, keeps: fn(&Self) -> bool) -> f64 {
        let (mut good, mut bad) = (1.0, 1e12);
        while bad / good > 1.001 {
            let sign_outs_a_day = f64::sqrt(good * bad);
            let middle = Self {
                servers,
                sign_outs_a_day,
            };
            *if keeps(&middle) { &mut good } else { &mut bad } = sign_outs_a_day;
        }
        good
    }
}

const BOUNDS: [Bound; 7] = [
    ("all servers start at once within a minute", |fleet| {
        fleet.join_all() <= 60.0
    }),
    ("a server joins within 10 s", |fleet| fleet.join() <= 10.0),
    ("the stream has a minute of news, in the busiest one", |fleet| {
        fleet.kept() >= 60.0
    }),
    ("Redis uses 70 % of its thread, in the busiest minutes", |fleet| {
        fleet.cpu() <= 0.7
    }),
    ("Redis sends 1 Gbit/s, in the busiest minutes", |fleet| {
        fleet.bytes() <= 125e6
    }),
    ("a server has 1 GB for the list", |fleet| {
        fleet.entries() * SERVER_ENTRY <= 1e9
    }),
    ("Redis has 8 GB", |fleet| fleet.entries() * REDIS_ENTRY <= 8e9),
];

pub(crate) fn print() {
    println!("Sessions live for 12 hours. The busiest minutes have {PEAK} times the average.\n");
    println!("| | 40 servers, 10^7 a day | 40, 10^8 | 400, 10^7 | 400, 10^8 |\n|---|---|---|---|---|");
    let rows: [Row; 11] = [
        ("entries", |fleet| format!("{:.0} million", fleet.entries() / 1e6)),
        ("memory of a server", |fleet| megabytes(fleet.entries() * SERVER_ENTRY)),
        ("memory of Redis", |fleet| megabytes(fleet.entries() * REDIS_ENTRY)),
        ("sign-outs, busiest", |fleet| format!("{:.0}/s", fleet.rate())),
        ("answers of Redis to readers", |fleet| format!("{:.0}/s", fleet.reads())),
        ("news in them", |fleet| format!("{:.0}/s", fleet.news())),
        ("traffic out of Redis", |fleet| {
            format!("{:.1} MB/s", fleet.bytes() / 1e6)
        }),
        ("CPU of Redis' thread, at least", |fleet| {
            format!("{:.0} %", fleet.cpu() * 100.0)
        }),
        ("the stream goes back", |fleet| format!("{:.0} s", fleet.kept())),
        ("one server joins", |fleet| {
            format!("{:.0} s, {}", fleet.join(), megabytes(fleet.entries() * JOIN_BYTES))
        }),
        ("all join at once", |fleet| format!("{:.0} s", fleet.join_all())),
    ];
    for (name, value) in rows {
        let values = [(40.0, 1e7), (40.0, 1e8), (400.0, 1e7), (400.0, 1e8)].map(|(servers, sign_outs_a_day)| {
            value(&Fleet {
                servers,
                sign_outs_a_day,
            })
        });
        println!("| {name} | {} |", values.join(" | "));
    }
    println!("\nMost sign-outs a day, by what ends first with 400 servers:\n");
    println!("| | 40 servers | 400 servers |\n|---|---|---|");
    let mut bounds = BOUNDS.map(|(name, keeps)| (name, [40.0, 400.0].map(|servers| Fleet::most(servers, keeps))));
    bounds.sort_by(|(_, one), (_, other)| one[1].total_cmp(&other[1]));
    for (name, [few, many]) in bounds {
        println!("| {name} | {:.1} million | {:.1} million |", few / 1e6, many / 1e6);
    }
    // A Bloom filter needs -ln(p) / ln(2)² bits an entry.
    let bloom = -f64::ln(1e-9) / f64::ln(2.0).powi(2) / 8.0;
    println!(
        "\nA Bloom filter with one wrong refusal in 10^9 would take {bloom:.1} bytes an entry instead of {SERVER_ENTRY}."
    );
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
