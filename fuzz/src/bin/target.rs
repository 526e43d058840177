//! All targets in one program, by variables: `TARGET` runs, after its seeds and its corpus were written to the folder `UNPACK`.
//! With `PACK`, the files of that folder become its corpus, and nothing runs.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::{env, process};

use sealed_session_fuzz::allocation::Counting;
use sealed_session_fuzz::{inputs, targets};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = env::var("TARGET").expect("TARGET names a target");
    let (_, run, _) = targets::find(&name);
    if let Some(folder) = env::var_os("PACK") {
        let count = inputs::pack(&name, Path::new(&folder)).expect("a folder of files");
        println!("{name}: {count} inputs");
        process::exit(0);
    }
    if let Some(folder) = env::var_os("UNPACK") {
        // Before libFuzzer reads it.
        inputs::unpack(&name, Path::new(&folder)).expect("a folder to write to");
    }
    run
});

libfuzzer_sys::fuzz_target!(init: LazyLock::force(&RUN), |data: &[u8]| RUN(data));
