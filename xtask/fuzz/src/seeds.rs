//! The seeds: a file named after what it holds, with one case or several separated by a line `%%`.

use std::fs;
use std::path::Path;

/// A target's name, the target, and the folders of its seeds.
pub type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

/// All targets.
pub const TARGETS: [Target; 4] = [
    ("decode", crate::decode, &["body"]),
    ("response", crate::response, &["body", "response"]),
    ("request", crate::request, &["request"]),
    ("values", crate::values, &["values"]),
];

/// Calls `each` with the name and the bytes of every case in these folders.
pub fn for_each(folders: &[&str], mut each: impl FnMut(&str, &[u8])) {
    const SEPARATOR: &[u8] = b"\n%%\n";
    for folder in folders {
        for entry in
            fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(folder)).expect("seeds")
        {
            let file = entry.expect("a seed").path();
            let (name, seed) =
                (file.file_name().unwrap_or_default().display(), fs::read(&file).expect("a seed"));
            let (mut rest, mut number) = (Some(&seed[..]), 0);
            while let Some(bytes) = rest {
                let end = bytes.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
                each(&format!("{folder}-{name}-{number}"), &bytes[..end.unwrap_or(bytes.len())]);
                rest = end.map(|end| &bytes[end + SEPARATOR.len()..]);
                number += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    // One test for all, because memory is counted for the whole process.
    #[test]
    fn no_seed_breaks_its_target() {
        for (target, run, folders) in super::TARGETS {
            let mut count = 0;
            super::for_each(folders, |name, case| {
                // Captured; the last line is shown when a target panics.
                println!("{target}: {name}");
                run(case);
                count += 1;
            });
            assert!(count > 50, "{target} has {count} cases");
        }
    }
}
