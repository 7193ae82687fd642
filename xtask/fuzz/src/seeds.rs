//! Reads the seeds: one file per kind of input, in which each case starts with a line `%% name`.

use std::fs;
use std::path::Path;

/// The name of a target, the target, and the files of its seeds.
pub type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

/// All targets.
pub const TARGETS: [Target; 4] = [
    ("decode", crate::decode, &["body"]),
    ("response", crate::response, &["body", "response"]),
    ("request", crate::request, &["request"]),
    ("values", crate::values, &["values"]),
];

/// Calls `each` with the name and bytes of every case in these files.
pub fn for_each(files: &[&str], mut each: impl FnMut(&str, &[u8])) {
    const MARK: &[u8] = b"\n%% ";
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(file).with_extension("txt");
        let bytes = fs::read(path).expect("seeds");
        let mut rest = bytes.strip_prefix(&MARK[1..]).expect("a name first");
        for number in 1.. {
            let end = rest.windows(MARK.len()).position(|window| window == MARK);
            let case = &rest[..end.unwrap_or(rest.len() - 1)];
            let line = case.iter().position(|byte| *byte == b'\n').expect("a name on its own line");
            let name = String::from_utf8_lossy(&case[..line]);
            each(&format!("{file}-{name}-{number}"), &case[line + 1..]);
            let Some(end) = end else { break };
            rest = &rest[end + MARK.len()..];
        }
    }
}

#[cfg(test)]
mod tests {
    // One test, because memory is counted for the whole process.
    #[test]
    fn targets_accept_their_seeds() {
        for (target, run, files) in super::TARGETS {
            let mut count = 0;
            super::for_each(files, |name, case| {
                // Captured; the test harness shows the last case when a target panics.
                println!("{target}: {name}");
                run(case);
                count += 1;
            });
            assert!(count > 50, "{target} has {count} cases");
        }
    }
}
