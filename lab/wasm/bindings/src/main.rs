//! `bindings MODULE FOLDER`: writes `index_bg.js` and `index_bg.wasm` into the folder, as `worker-build` has them made.

use std::error::Error;
use std::{env, process};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [module, folder] = &arguments[..] else {
        eprintln!("usage: bindings MODULE FOLDER");
        process::exit(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("index")
        .typescript(false)
        .bundler(true)?;
    Ok(bindgen.generate(folder)?)
}
