//! Writes to standard output and standard error, which may be closed.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use crate::escape::for_terminal;
use crate::exit::Failure;
use crate::signals::Paging;

/// Prints data unchanged; on a terminal, escapes characters that could control it.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = if out.is_terminal() { out.write_all(&for_terminal(bytes)) } else { out.write_all(bytes) };
    written.and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Prints text, with its colours only where they are supported and wanted.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Ignores that the reader of the output has gone, so that a command ends with its own exit code.
pub(crate) fn to_any_reader(printed: Result<(), Failure>) -> Result<(), Failure> {
    printed.or_else(|failure| if failure.is_quiet() { Ok(()) } else { Err(failure) })
}

/// Prints text for the user: through the pager if there is a terminal and one is set, as `gh` does. If the pager
/// fails, prints the text directly.
pub(crate) fn page(content: &str) -> Result<(), Failure> {
    let pager = ["TGSCAN_PAGER", "PAGER"].into_iter().find_map(std::env::var_os);
    let is_program = |pager: &OsString| !matches!(pager.to_string_lossy().trim(), "" | "cat");
    let Some(pager) = pager.filter(is_program) else { return text(content) };
    if !std::io::stdout().is_terminal() {
        return text(content);
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // F exits if the text fits the screen, R shows colours, X leaves the text on the screen.
        command.env("LESS", "FRX");
    }
    // Before the pager can receive a signal.
    let paging = Paging::begin();
    let Ok(mut child) = command.spawn() else { return text(content) };
    if let Some(mut stdin) = child.stdin.take() {
        let is_plain = anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never;
        let content =
            if is_plain { anstream::adapter::strip_str(content).to_string() } else { content.to_owned() };
        // The pager may end before it has read everything.
        let _ = stdin.write_all(content.as_bytes());
    }
    // The status is 126 or 127 if the shell cannot start the pager, and also not 0 if the pager rejects a flag.
    let is_shown = child.wait().is_ok_and(|status| status.success());
    drop(paging);
    if is_shown { Ok(()) } else { text(content) }
}

/// A line for standard error, and a sender that is dropped when it is printed.
type Note = (Option<String>, mpsc::Sender<()>);

/// The thread that prints notes, because the reader of standard error may stop reading.
static PRINTER: LazyLock<Option<mpsc::Sender<Note>>> = LazyLock::new(|| {
    let (sender, notes) = mpsc::channel::<Note>();
    let print = move || notes.iter().for_each(|(line, _done)| line.iter().for_each(|line| print_note(line)));
    std::thread::Builder::new().spawn(print).is_ok().then_some(sender)
});

/// Whether a note was not printed in time.
static IS_STALLED: AtomicBool = AtomicBool::new(false);

/// The time to wait until a note is printed. Later notes do not wait.
const NOTE_LIMIT: Duration = Duration::from_secs(1);

/// Prints a line for the user to standard error. Ignores a closed standard error. If its reader does not read, the line
/// is printed later.
pub(crate) fn note(line: &str) {
    let Some(printer) = &*PRINTER else { return print_note(line) };
    let (sender, done) = mpsc::channel();
    if printer.send((Some(line.to_owned()), sender)).is_err() {
        return;
    }
    let limit = if IS_STALLED.load(Ordering::Relaxed) { Duration::ZERO } else { NOTE_LIMIT };
    if done.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
        IS_STALLED.store(true, Ordering::Relaxed);
    }
}

fn print_note(line: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{line}");
}

/// Returns a receiver of the end of notes that are still being printed.
pub(crate) fn notes() -> Option<mpsc::Receiver<()>> {
    let (true, Some(printer)) = (IS_STALLED.load(Ordering::Relaxed), &*PRINTER) else { return None };
    let (sender, done) = mpsc::channel();
    printer.send((None, sender)).ok().map(|()| done)
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
