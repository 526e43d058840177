//! All targets in one program: the variable `TARGET` says which one runs.

#![no_main]

use std::env;
use std::path::Path;
use std::sync::LazyLock;

use sealed_session_fuzz::allocation::Counting;
use sealed_session_fuzz::{inputs, targets};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = env::var("TARGET").expect("TARGET names a target");
    let (_, run, _) = targets::find(&name);
    // Before libFuzzer reads the folder.
    if let Some(folder) = env::var_os("INPUTS") {
        inputs::unpack(&name, Path::new(&folder)).expect("a folder to write to");
    }
    run
});

libfuzzer_sys::fuzz_target!(init: LazyLock::force(&RUN), |data: &[u8]| RUN(data));
