//! Reads a report in LCOV's form: `SF:` names a file, `DA:` a line and how often it was reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::tidy::test_lines;

/// How often each line was reached; a line that was compiled several times counts them all.
pub(super) type Lines = BTreeMap<usize, u64>;

pub(super) fn read(report: &str) -> Result<BTreeMap<PathBuf, Lines>, String> {
    let mut files: BTreeMap<PathBuf, Lines> = BTreeMap::new();
    let mut current = None;
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            current = Some(PathBuf::from(path));
        } else if let Some(data) = line.strip_prefix("DA:") {
            let wrong = || format!("cannot read {line:?} of the coverage report");
            let path = current.as_ref().ok_or_else(wrong)?;
            let mut numbers = data.split(',').map(str::parse::<u64>);
            let (Some(Ok(number)), Some(Ok(hits))) = (numbers.next(), numbers.next()) else {
                return Err(wrong());
            };
            let number = usize::try_from(number).map_err(|_| wrong())?;
            *files.entry(path.clone()).or_default().entry(number).or_default() += hits;
        }
    }
    Ok(files)
}

/// The lines of a file that are not there for tests only.
pub(super) fn without_tests(lines: &Lines, source: &str) -> Lines {
    let tests = test_lines(source);
    let counted = lines.iter().filter(|(line, _)| !tests.iter().any(|range| range.contains(line)));
    counted.map(|(line, hits)| (*line, *hits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_added_up_and_tests_left_out() {
        let report = "SF:/a.rs\nFN:1,x\nDA:1,2\nDA:1,3\nDA:2,0\nDA:5,1\nend_of_record\nSF:/b.rs\nDA:1,0\n";
        let files = read(report).unwrap();
        let lines = &files[&PathBuf::from("/a.rs")];
        assert_eq!(lines, &Lines::from([(1, 5), (2, 0), (5, 1)]));
        let source = "fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        assert_eq!(without_tests(lines, source), Lines::from([(1, 5), (2, 0)]));
        assert_eq!(read("DA:1,1"), Err("cannot read \"DA:1,1\" of the coverage report".into()));
    }
}
