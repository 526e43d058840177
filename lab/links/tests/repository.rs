//! No link of this repository and of its documentation is dead.

use std::path::Path;

use links::Site;

#[test]
fn no_link_is_dead() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut site = Site::of_repository(&root).unwrap();
    site.build_documentation(&root).unwrap();
    let dead = site.dead_links();
    assert!(dead.is_empty(), "{} dead links:\n{}", dead.len(), dead.join("\n"));
}
