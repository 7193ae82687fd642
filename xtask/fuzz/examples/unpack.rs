//! Writes each seed to a file in `corpus/`, as the initial corpus of the fuzzer.

use std::fs;
use std::path::Path;

use tgscan_fuzz::seeds::{TARGETS, for_each};

fn main() {
    for (target, _, files) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&corpus).expect("a folder");
        for_each(files, |name, case| fs::write(corpus.join(name), case).expect("a file"));
    }
}
