//! Splits Markdown and Rust files into words.

/// A word in lower case with its line, or the end of a phrase.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String, usize),
    End,
}

pub(crate) fn markdown(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    words(text, 1, &mut tokens);
    tokens
}

/// Returns the words in comments and strings, and the identifiers with their lines.
pub(crate) fn rust(source: &str) -> (Vec<Token>, Vec<(String, usize)>) {
    let (mut tokens, mut names) = (Vec::new(), Vec::new());
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let comment = rest.split('\n').next().unwrap_or(rest);
            words(comment.trim_start_matches(['/', '!']), line, &mut tokens);
            if comment.trim_matches(['/', '!', ' ']).is_empty() {
                tokens.push(Token::End);
            }
            comment.len()
        } else if rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            words(&rest[..length], line, &mut tokens);
            length
        } else if first == '"' {
            tokens.push(Token::End);
            let length = string(rest);
            words(&rest[..length].replace("\\\n", " \n").replace("\\n", "."), line, &mut tokens);
            length
        } else if first == '\'' {
            tokens.push(Token::End);
            character(rest)
        } else if first.is_alphabetic() || first == '_' {
            tokens.push(Token::End);
            let end = |c: char| !(c.is_alphanumeric() || c == '_');
            let name = &rest[..rest.find(end).unwrap_or(rest.len())];
            if let Some(length) =
                matches!(name, "r" | "br").then(|| raw_string(&rest[name.len()..])).flatten()
            {
                words(&rest[name.len()..][..length], line, &mut tokens);
                name.len() + length
            } else {
                names.push((name.to_owned(), line));
                name.len()
            }
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::End);
            }
            first.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    (tokens, names)
}

/// Returns the length of a string literal with its quotes.
fn string(rest: &str) -> usize {
    let mut is_escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// Returns the length of a raw string literal after its `r`, or `None` for a raw identifier.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(hashes + 1 + body.find(&end)? + end.len())
}

/// Returns the length of a character literal, or of the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, _))) => {
            let end = rest[at + 1..].find('\'');
            end.map_or(rest.len(), |end| at + 1 + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Appends the words of a text. Punctuation and empty lines end a phrase.
fn words(text: &str, first_line: usize, tokens: &mut Vec<Token>) {
    for (offset, line) in text.split('\n').enumerate() {
        if offset > 0 && line.trim().is_empty() {
            tokens.push(Token::End);
        }
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let end = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '\''));
            let length = rest.find(end).unwrap_or(rest.len());
            if length > 0 {
                let word = rest[..length].trim_matches('\'').to_lowercase();
                tokens.push(Token::Word(word, first_line + offset));
            } else if !first.is_whitespace() {
                tokens.push(Token::End);
            }
            rest = &rest[length.max(first.len_utf8())..];
        }
    }
}
