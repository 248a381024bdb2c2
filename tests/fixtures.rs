//! Everything under fixtures/ comes from the recipe, byte for byte, and is what it says it is.
//!
//! `UPDATE_FIXTURES=1 cargo test --test fixtures` writes the files anew.

mod recipe;

use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[test]
fn every_file_is_what_the_recipe_makes() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1");
    for (name, bytes) in recipe::files() {
        let path = folder().join(&name);
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let stored = std::fs::read(&path).unwrap();
        assert!(stored == bytes, "{name} is not what its recipe makes");
    }
}
