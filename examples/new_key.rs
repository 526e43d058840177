//! Prints a new secret in its written form: `cargo run --example new_key`.

use sealed_session::Key;
use sealed_session::keys::KeyError;

fn main() -> Result<(), KeyError> {
    println!("{}", Key::generate()?.write_with_secret().expose());
    Ok(())
}
