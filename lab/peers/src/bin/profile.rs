//! Where the nanoseconds of one open and one seal go, as a picture: `lab/peers/profile` writes docs/profile.svg.
//!
//! Every part is run on its own, over the same bytes, in turns with the whole operation; what the parts do not account for
//! is the crate's own work (scanning, choosing, building headers, allocations) and dropping the session data. So a part shows what it costs alone and
//! warm: the picture says where to look, not what would be saved.

#[path = "../measure.rs"]
mod measure;
#[path = "../../../../benches/payload.rs"]
mod payload;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::consts::U12;
use aes_gcm::{AesGcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use hkdf::hmac::{Hmac, Mac};
use measure::{Effort, Operation, interleave, median, operation, prepared};
use payload::{Visit, visit};
use sealed_session::{Key, KeyRing, RequestFields, Sessions};
use sha2::Sha256;
use time::OffsetDateTime;

type Aes256Gcm = AesGcm<Aes256Enc, U12>;

/// What the parts do not account for.
const REST: &str = "this crate, and dropping the data";
const SIZES: [usize; 2] = [250, 2980];

fn main() {
    let effort = Effort {
        batch: Duration::from_micros(250),
        pairs: 151,
    };
    let mut rows = Vec::new();
    for size in SIZES {
        rows.push(measured(
            &format!("open, {size} bytes"),
            open(size),
            open_parts(size),
            effort,
        ));
        rows.push(measured(
            &format!("seal, {size} bytes"),
            seal(size),
            seal_parts(size),
            effort,
        ));
    }
    for row in &rows {
        let parts: Vec<String> = row.parts.iter().map(|(name, ns)| format!("{name} {ns:.0}")).collect();
        eprintln!("{}: {:.0} ns = {}", row.name, row.total, parts.join(" + "));
    }
    print!("{}", picture(&rows));
}

// ---------------------------------------------------------------- the operations

fn sessions() -> Sessions<Visit> {
    let secret: [u8; 32] = std::array::from_fn(|at| (at as u8).wrapping_mul(37));
    let key = Key::from_raw_secret(&secret).expect("32 different bytes");
    Sessions::builder(KeyRing::new(key)).build().expect("a configuration")
}

/// From the Cookie header to the data, with the activity token.
fn open(size: usize) -> Operation {
    let (sessions, now) = (sessions(), OffsetDateTime::now_utc());
    let cookie: &'static str = sessions.cookie_for_at(visit(size), now).expect("it fits").leak();
    operation(move || {
        sessions
            .load_at(RequestFields::from_cookies([cookie]), now)
            .get()
            .is_some()
    })
}

/// From the data to both `Set-Cookie` lines.
fn seal(size: usize) -> Operation {
    let (sessions, now, data) = (sessions(), OffsetDateTime::now_utc(), visit(size));
    prepared(
        move || data.clone(),
        move |data| {
            let mut session = sessions.load_at(RequestFields::default(), now);
            session.start(data).is_ok() && session.finish_patch(200).set_cookies().next().is_some()
        },
    )
}

// ---------------------------------------------------------------- their parts

type Part = (&'static str, Operation);

/// Both tokens' checks and the key of the body: three HMACs over heads of 29, 29 and 17 bytes.
fn hmacs() -> Operation {
    let state = <Hmac<Sha256> as KeyInit>::new_from_slice(&[7; 32]).expect("any length");
    operation(move || {
        [29, 29, 17].iter().all(|&length| {
            let mut hmac = state.clone();
            hmac.update(black_box(&[7; 29][..length]));
            hmac.update(&[1]);
            black_box(hmac.finalize().into_bytes()).len() == 32
        })
    })
}

fn aes(size: usize) -> Operation {
    let text = std::cell::RefCell::new(vec![7; size + 9]);
    operation(move || {
        let mut text = text.borrow_mut();
        Aes256Gcm::new((&[7; 32]).into())
            .encrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(&mut text[..]))
            .is_ok()
    })
}

/// The bytes of both tokens.
fn tokens(size: usize) -> [Vec<u8>; 2] {
    [vec![7; size + 70], vec![7; 33]]
}

fn open_parts(size: usize) -> Vec<Part> {
    let engine = Simd::url_safe(NO_PAD);
    let texts = tokens(size).map(|bytes| engine.encode(bytes));
    let json = serde_json::to_string(&visit(size)).expect("a visit serialises");
    let buffer = std::cell::RefCell::new(Vec::with_capacity(8192));
    let decode = operation(move || {
        let mut buffer = buffer.borrow_mut();
        texts.iter().all(|text| {
            buffer.clear();
            engine.decode_vec(text, &mut buffer).is_ok()
        })
    });
    vec![
        ("base64url", decode),
        ("HMAC-SHA-256, three times", hmacs()),
        ("AES-256-GCM with key set-up", aes(size)),
        ("JSON", operation(move || serde_json::from_str::<Visit>(&json).is_ok())),
    ]
}

fn seal_parts(size: usize) -> Vec<Part> {
    let engine = Simd::url_safe(NO_PAD);
    let bytes = tokens(size);
    let data = visit(size);
    let buffer = std::cell::RefCell::new(Vec::with_capacity(8192));
    let serialise = operation(move || {
        let mut buffer = buffer.borrow_mut();
        buffer.clear();
        serde_json::to_writer(&mut *buffer, &data).is_ok()
    });
    let encode = operation(move || {
        bytes.iter().all(|bytes| {
            let mut text = String::with_capacity(bytes.len() * 4 / 3 + 100);
            engine.encode_string(bytes, &mut text);
            !text.is_empty()
        })
    });
    vec![
        ("random bytes", operation(|| getrandom::fill(&mut [0; 20]).is_ok())),
        ("JSON", serialise),
        ("HMAC-SHA-256, three times", hmacs()),
        ("AES-256-GCM with key set-up", aes(size)),
        ("base64url", encode),
    ]
}

// ---------------------------------------------------------------- measuring and drawing

struct Row {
    name: String,
    total: f64,
    /// Nanoseconds; the last is what is left.
    parts: Vec<(&'static str, f64)>,
}

fn measured(name: &str, whole: Operation, parts: Vec<Part>, effort: Effort) -> Row {
    let mut total = Vec::new();
    let mut shares: Vec<(&'static str, f64)> = Vec::new();
    for (part, run) in &parts {
        let [all, one] = interleave([&whole, run], effort);
        shares.push((part, measure::ratio(&one.batches, &all.batches)));
        total.extend(all.batches);
    }
    let total = median(total);
    let rest = 1.0 - shares.iter().map(|(_, share)| share).sum::<f64>();
    shares.push((REST, rest.max(0.0)));
    let parts = shares.into_iter().map(|(part, share)| (part, share * total)).collect();
    Row {
        name: name.to_owned(),
        total,
        parts,
    }
}

fn colour(part: &str) -> &'static str {
    match part {
        "random bytes" => "#b07aa1",
        "JSON" => "#59a14f",
        "HMAC-SHA-256, three times" => "#4e79a7",
        "AES-256-GCM with key set-up" => "#f28e2b",
        "base64url" => "#76b7b2",
        _ => "#9c9c9c",
    }
}

/// One bar per operation, each as wide as the picture: shares can be compared, and the figures say how long.
fn picture(rows: &[Row]) -> String {
    const LEFT: f64 = 150.0;
    const WIDTH: f64 = 720.0;
    let mut svg = String::new();
    let height = 40 + rows.len() * 58 + 60;
    let draw = |svg: &mut String, line: String| writeln!(svg, "{line}").expect("writing to a String cannot fail");
    draw(
        &mut svg,
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 {height}" font-family="sans-serif" font-size="13">
<title>Where the nanoseconds of one open and one seal go</title>
<rect width="900" height="{height}" fill="#ffffff"/>"##
        ),
    );
    for (index, row) in rows.iter().enumerate() {
        let y = 20 + index * 58;
        draw(&mut svg, format!(r#"<text x="10" y="{}">{}</text>"#, y + 16, row.name));
        draw(
            &mut svg,
            format!(
                r##"<text x="10" y="{}" fill="#555555">{:.0} ns</text>"##,
                y + 33,
                row.total
            ),
        );
        let sum: f64 = row.parts.iter().map(|(_, ns)| ns).sum();
        let mut x = LEFT;
        for (part, ns) in &row.parts {
            let width = WIDTH * ns / sum;
            draw(
                &mut svg,
                format!(
                    r#"<rect x="{x:.1}" y="{y}" width="{width:.1}" height="38" fill="{}"><title>{part}: {ns:.0} ns</title></rect>"#,
                    colour(part)
                ),
            );
            if width > 34.0 {
                draw(
                    &mut svg,
                    format!(
                        r##"<text x="{:.1}" y="{}" fill="#ffffff" text-anchor="middle">{ns:.0}</text>"##,
                        x + width / 2.0,
                        y + 24
                    ),
                );
            }
            x += width;
        }
    }
    let y = 20 + rows.len() * 58 + 20;
    let names = [
        "random bytes",
        "JSON",
        "HMAC-SHA-256, three times",
        "AES-256-GCM with key set-up",
        "base64url",
        REST,
    ];
    let mut x = 10;
    for name in names {
        draw(
            &mut svg,
            format!(
                r#"<rect x="{x}" y="{y}" width="14" height="14" fill="{}"/>"#,
                colour(name)
            ),
        );
        draw(
            &mut svg,
            format!(r#"<text x="{}" y="{}">{name}</text>"#, x + 20, y + 12),
        );
        x += 44 + name.len() * 7;
    }
    svg.push_str("</svg>\n");
    svg
}
