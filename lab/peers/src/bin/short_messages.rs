//! Short messages with AES-256-GCM: aes-gcm 0.11.1 on aes 0.9.4 next to aes-gcm 0.10.3 on aes 0.8.4.
//!
//! A program of its own, for the report in short_messages.md: it needs no other crate.

use std::hint::black_box;
use std::time::Instant;

/// The median over `ROUNDS` of the nanoseconds that one call takes; the rounds of all calls take turns.
fn medians<const N: usize>(calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    const ROUNDS: usize = 1001;
    const CALLS: u32 = 100;
    let mut times = [(); N].map(|()| Vec::with_capacity(ROUNDS));
    let mut calls = calls;
    for _ in 0..ROUNDS {
        for (call, times) in calls.iter_mut().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    })
}

fn row(what: &str, mut new: impl FnMut(), mut old: impl FnMut()) {
    let [new, old] = medians([&mut new, &mut old]);
    println!("| {what} | {new:.0} ns | {old:.0} ns | {:.2} |", new / old);
}

fn main() {
    use aes_gcm::KeyInit as _;
    use aes_gcm::aead::AeadInOut as _;
    use aes_gcm_010::KeyInit as _;
    use aes_gcm_010::aead::AeadInPlace as _;

    let key = [7; 32];
    println!(
        "\n## Short messages\n\n| operation | aes-gcm 0.11.1, aes 0.9.4 | aes-gcm 0.10.3, aes 0.8.4 | ratio |\n|---|---|---|---|"
    );

    let new = aes::Aes256::new(&key.into());
    let old = aes_08::Aes256::new(&key.into());
    for blocks in [1, 4, 8, 16, 64, 256] {
        use aes::cipher::BlockCipherEncrypt as _;
        use aes_08::cipher::BlockEncrypt as _;
        let (mut first, mut second) = (
            vec![aes::Block::default(); blocks],
            vec![aes_08::Block::default(); blocks],
        );
        row(
            &format!("`encrypt_blocks`, {blocks}"),
            || new.encrypt_blocks(black_box(&mut first)),
            || old.encrypt_blocks(black_box(&mut second)),
        );
    }
    row(
        "`Aes256::new`",
        || drop(black_box(aes::Aes256::new(black_box(&key.into())))),
        || drop(black_box(aes_08::Aes256::new(black_box(&key.into())))),
    );
    row(
        "`Aes256Gcm::new`",
        || drop(black_box(aes_gcm::Aes256Gcm::new(black_box(&key.into())))),
        || drop(black_box(aes_gcm_010::Aes256Gcm::new(black_box(&key.into())))),
    );
    let new = aes_gcm::Aes256Gcm::new(&key.into());
    let old = aes_gcm_010::Aes256Gcm::new(&key.into());
    for length in [16, 69, 259, 1033, 2989] {
        let (mut first, mut second) = (vec![0; length], vec![0; length]);
        row(
            &format!("encrypt {length} bytes"),
            || {
                let buffer = black_box(&mut first[..]).into();
                black_box(
                    new.encrypt_inout_detached(&Default::default(), &[], buffer)
                        .expect("short"),
                );
            },
            || {
                let buffer = black_box(&mut second[..]);
                black_box(
                    old.encrypt_in_place_detached(&Default::default(), &[], buffer)
                        .expect("short"),
                );
            },
        );
    }
}
