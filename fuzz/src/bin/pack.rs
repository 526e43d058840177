//! `pack TARGET FOLDER`: makes the files of a folder the committed corpus of a target.

use std::env;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, folder] = &arguments[..] else {
        return Err(io::Error::other("pack TARGET FOLDER"));
    };
    let count = sealed_session_fuzz::inputs::pack(target, Path::new(folder))?;
    println!("{target}: {count} inputs");
    Ok(())
}
