//! Writes to standard output and standard error, whose readers may go away.

use std::io::{BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};

use crate::escape::for_terminal;
use crate::exit::Failure;

/// Prints data as they are; on a terminal, without sequences that could steer it.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = if out.is_terminal() { out.write_all(&for_terminal(bytes)) } else { out.write_all(bytes) };
    written.and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Prints text that may have colours, which are left out where they do not belong.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Prints text for people: through the pager, if there is a terminal and one is set, as `gh` does.
pub(crate) fn page(content: &str) -> Result<(), Failure> {
    let pager = ["TGSCAN_PAGER", "PAGER"].into_iter().find_map(std::env::var_os);
    let Some(pager) = pager.filter(|pager| !pager.is_empty() && pager != "cat") else { return text(content) };
    if !std::io::stdout().is_terminal() {
        return text(content);
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Ends if all fits the screen, shows colours, and leaves the text there.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return text(content) };
    if let Some(mut stdin) = child.stdin.take() {
        let is_plain = anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never;
        let content =
            if is_plain { anstream::adapter::strip_str(content).to_string() } else { content.to_owned() };
        // It may end before it has read all.
        let _ = stdin.write_all(content.as_bytes());
    }
    let _ = child.wait();
    Ok(())
}

/// Prints a line for people, away from the data. A closed standard error is no failure.
pub(crate) fn note(line: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{line}");
}

/// Asks a question on the terminal, and returns whether it is confirmed. Without a terminal, fails with `without`.
pub(crate) fn confirmed(question: &str, without: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(without));
    }
    let mut error = std::io::stderr().lock();
    let _ = write!(error, "{question} [y/N] ").and_then(|()| error.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
