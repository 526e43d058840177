//! Writes the seeds of every target to `corpus/TARGET`, and fails if a target has none.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in sealed_session_fuzz::seeds::all() {
        if seeds.is_empty() {
            return Err(io::Error::other(format!("no seeds for {target}")));
        }
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:03}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}
