//! Just enough of Rust's syntax to look at code without its comments and texts, and at tests apart from the rest.

use std::ops::{Range, RangeInclusive};

/// The code with every comment and the inside of every literal blanked out; lines and columns stay.
pub(super) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => at + line_length(&bytes[at..]),
            b'/' if bytes[at..].starts_with(b"/*") => at + comment_length(&bytes[at..]),
            b'"' => at + text_length(&bytes[at..]),
            b'r' if !follows_word(bytes, at, b"bc") => at + raw_text_length(&bytes[at..]).unwrap_or(1),
            b'\'' => at + character_length(&bytes[at..]).unwrap_or(1),
            _ => at + 1,
        };
        let end = end.min(bytes.len());
        if end > at + 1 {
            code[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at = end;
    }
    // Only whole comments and literals were replaced, so this is still UTF-8.
    String::from_utf8(code).unwrap_or_default()
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn comment_length(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn raw_text_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let open = 1 + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = rest[open + 1..].windows(close.len()).position(|window| window == close);
    Some(inside.map_or(rest.len(), |inside| open + 1 + inside + close.len()))
}

/// `'x'`, `'\n'`, `'\u{7f}'`; `None` for a lifetime.
fn character_length(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return rest.get(3..)?.iter().position(|byte| *byte == b'\'').map(|close| close + 4);
    }
    // One character takes up to four bytes.
    (2..=5)
        .find(|close| rest.get(*close) == Some(&b'\''))
        .filter(|close| std::str::from_utf8(&rest[1..*close]).is_ok_and(|inside| inside.chars().count() == 1))
        .map(|close| close + 1)
}

/// Whether the byte before belongs to the same word; the `prefixes` of literals do not count.
fn follows_word(bytes: &[u8], at: usize, prefixes: &[u8]) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| bytes[before]) else { return false };
    is_word(before) && (!prefixes.contains(&before) || follows_word(bytes, at - 1, &[]))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `word` stands in the code on its own, and not as the end of a longer word.
pub(super) fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> {
    code.match_indices(word).map(|(at, _)| at).filter(|at| !follows_word(code.as_bytes(), *at, &[]))
}

/// The line, counted from 0, of a position.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count()
}

/// The parts of the code that are compiled for tests only: items after `#[cfg(test)]`, with all that is in them.
pub(super) fn tests(code: &str) -> Vec<Range<usize>> {
    ["#[cfg(test)]", "#[cfg(all(test"]
        .iter()
        .flat_map(|attribute| code.match_indices(attribute))
        .map(|(start, attribute)| {
            let after = start + attribute.len();
            let end = match code[after..].find([';', '{']).map(|end| after + end) {
                Some(open) if code.as_bytes()[open] == b'{' => open + block_length(&code[open..]),
                Some(end) => end,
                None => code.len(),
            };
            start..end
        })
        .collect()
}

/// The lines, counted from 1, of a source file that are compiled for tests only.
pub(crate) fn test_lines(source: &str) -> Vec<RangeInclusive<usize>> {
    let code = code(source);
    let ranges = tests(&code).into_iter();
    ranges.map(|range| line_of(&code, range.start) + 1..=line_of(&code, range.end) + 1).collect()
}

/// From a bracket to the one that closes it, both included.
pub(super) fn block_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        for (source, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("a\"b", c)"#, "f(      , c)"),
            (r##"f(r#"a"b"#, c)"##, "f(        , c)"),
            (r#"f(br"a", b"c")"#, "f(b    , b   )"),
            ("f('\"', '\\'', 'ü', &'a str)", "f(   ,     ,     , &'a str)"),
            (r"'\u{7f}' 'label: loop", "         'label: loop"),
            ("for r in var", "for r in var"),
            ("\"é\" x", "     x"),
        ] {
            assert_eq!(code(source), expected, "{source}");
        }
    }

    #[test]
    fn blanking_keeps_lines_and_survives_broken_code() {
        let source = "let a = \"x\ny\"; // z\n/* 1\n2 */ b";
        assert_eq!(code(source).lines().count(), source.lines().count());
        for broken in ["\"", "/*", "r#\"", "'", "'\\", "b'", "\"\\"] {
            assert_eq!(code(broken).len(), broken.len(), "{broken}");
        }
    }

    #[test]
    fn every_source_file_of_the_workspace_keeps_its_shape() {
        let tree = super::super::Tree::load(&crate::root()).unwrap();
        for (path, source) in tree.sources() {
            let code = code(source);
            assert_eq!(code.len(), source.len(), "{path}");
            let count = |bracket| code.matches(bracket).count();
            assert_eq!((count('{'), count('('), count('[')), (count('}'), count(')'), count(']')), "{path}");
        }
    }

    #[test]
    fn finds_what_is_for_tests() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}\n#[cfg(test)]\nuse d;\nfn e() {}";
        let tests: Vec<&str> = tests(code).into_iter().map(|range| &code[range]).collect();
        assert_eq!(tests, ["#[cfg(test)]\nmod tests { fn b() { {} } }", "#[cfg(test)]\nuse d"]);
    }

    #[test]
    fn words_do_not_begin_inside_others() {
        assert_eq!(find_word("Research::PATH Search::PATH", "Search::PATH").collect::<Vec<_>>(), [15]);
    }
}
