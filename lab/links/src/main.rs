//! The links of the repository to other sites, each with the places where it stands. Nothing is fetched.

use std::error::Error;
use std::path::Path;

use links::Site;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    for (address, places) in Site::of_repository(&root)?.elsewhere() {
        println!("{address}  {}", Vec::from_iter(places).join(" "));
    }
    Ok(())
}
