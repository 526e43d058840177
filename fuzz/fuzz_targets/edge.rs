#![no_main]

use sealed_session_fuzz::allocation::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealed_session_fuzz::targets::edge::run(data));
