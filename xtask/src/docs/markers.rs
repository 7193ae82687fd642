//! Replaces what stands between the markers of a generated part.

const END: &str = "<!-- end generated -->";

fn start(name: &str) -> String {
    format!("<!-- generated: {name} (cargo xtask docs) -->")
}

/// The text with each part between its markers replaced. Every part has its place, once, and every place its part.
pub(super) fn fill(text: &str, parts: &[(&str, String)]) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    let mut seen = Vec::new();
    while let Some(at) = rest.find("<!-- generated: ") {
        let marked = &rest[at..];
        let (name, part) =
            parts.iter().find(|(name, _)| marked.starts_with(&start(name))).ok_or_else(|| {
                format!("nothing is generated for `{}`", marked.lines().next().unwrap_or_default())
            })?;
        if seen.contains(name) {
            return Err(format!("`{}` stands twice", start(name)));
        }
        seen.push(name);
        let inside = &marked[start(name).len()..];
        let end = inside.find(END).ok_or_else(|| format!("`{END}` is missing after `{}`", start(name)))?;
        // A place that was not closed would swallow the next one.
        if inside[..end].contains("<!-- generated: ") {
            return Err(format!("`{END}` is missing after `{}`", start(name)));
        }
        // Empty lines around, because Markdown reads what follows an HTML comment directly as more of it.
        for piece in [&rest[..at], &start(name), "\n\n", part.trim(), "\n\n", END] {
            filled.push_str(piece);
        }
        rest = &inside[end + END.len()..];
    }
    match parts.iter().find(|(name, _)| !seen.contains(name)) {
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
    fn parts_are_replaced_and_the_rest_stays() {
        let text = format!("x\n{}\ny\n{}\nz", place("b", "\nold\n"), place("a", ""));
        let filled = fill(&text, &two()).unwrap();
        assert_eq!(
            filled,
            format!("x\n{}\ny\n{}\nz", place("b", "\n\nnew b\n\n"), place("a", "\n\nnew a\n\n"))
        );
        assert_eq!(fill(&filled, &two()), Ok(filled.clone()), "filling again changes nothing");
    }

    #[test]
    fn broken_places_are_errors() {
        let (a, b) = (place("a", "\n"), place("b", "\n"));
        for (text, says) in [
            (a.clone(), "generated: b (cargo xtask docs) -->` is missing"),
            (format!("{a}{b}{a}"), "stands twice"),
            (format!("{a}{b}{}", place("c", "")), "nothing is generated for"),
            (format!("{a}{}", start("b")), "is missing after"),
            (format!("{}{b}", start("a")), "is missing after"),
        ] {
            let error = fill(&text, &two()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
