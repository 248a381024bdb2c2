//! A fingerprint added under `fingerprints/` is carried by the next build: cargo does not see it otherwise.

fn main() {
    println!("cargo:rerun-if-changed=fingerprints");
}
