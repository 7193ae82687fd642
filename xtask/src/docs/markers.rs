//! Replaces the text between the markers of generated sections.

const END: &str = "<!-- end generated -->";

fn start(name: &str) -> String {
    format!("<!-- generated: {name} (cargo xtask docs) -->")
}

/// Replaces each section between its markers. Every section must have exactly one place, and every place a section.
pub(super) fn fill(text: &str, sections: &[(&str, String)]) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    let mut seen = Vec::new();
    while let Some(at) = rest.find("<!-- generated: ") {
        let marked = &rest[at..];
        let (name, section) =
            sections.iter().find(|(name, _)| marked.starts_with(&start(name))).ok_or_else(|| {
                format!("nothing is generated for `{}`", marked.lines().next().unwrap_or_default())
            })?;
        if seen.contains(name) {
            return Err(format!("`{}` occurs twice", start(name)));
        }
        seen.push(name);
        let inside = &marked[start(name).len()..];
        let end = inside.find(END).ok_or_else(|| format!("`{END}` is missing after `{}`", start(name)))?;
        // An unclosed place would include the next one.
        if inside[..end].contains("<!-- generated: ") {
            return Err(format!("`{END}` is missing after `{}`", start(name)));
        }
        // Surrounded by empty lines, because Markdown continues an HTML comment until one.
        for piece in [&rest[..at], &start(name), "\n\n", section.trim(), "\n\n", END] {
            filled.push_str(piece);
        }
        rest = &inside[end + END.len()..];
    }
    match sections.iter().find(|(name, _)| !seen.contains(name)) {
        Some((name, _)) => Err(format!("`{}` is missing", start(name))),
        None => Ok(filled + rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<(&'static str, String)> {
        vec![("a", "new a\n".into()), ("b", "new b".into())]
    }

    fn place(name: &str, inside: &str) -> String {
        format!("{}{inside}{END}", start(name))
    }

    #[test]
    fn replaces_sections_and_keeps_the_rest() {
        let text = format!("x\n{}\ny\n{}\nz", place("b", "\nold\n"), place("a", ""));
        let filled = fill(&text, &two()).unwrap();
        assert_eq!(
            filled,
            format!("x\n{}\ny\n{}\nz", place("b", "\n\nnew b\n\n"), place("a", "\n\nnew a\n\n"))
        );
        assert_eq!(fill(&filled, &two()), Ok(filled.clone()), "filling again changes nothing");
    }

    #[test]
    fn rejects_invalid_places() {
        let (a, b) = (place("a", "\n"), place("b", "\n"));
        for (text, expected) in [
            (a.clone(), "generated: b (cargo xtask docs) -->` is missing"),
            (format!("{a}{b}{a}"), "occurs twice"),
            (format!("{a}{b}{}", place("c", "")), "nothing is generated for"),
            (format!("{a}{}", start("b")), "is missing after"),
            (format!("{}{b}", start("a")), "is missing after"),
        ] {
            let error = fill(&text, &two()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
