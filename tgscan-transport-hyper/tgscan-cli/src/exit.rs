//! Exit codes, and the error that ends the program.

use std::fmt;
use std::io;
use std::process::ExitCode;

use tgscan_core::store::StoreError;

use crate::words;

/// An exit code; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    Done = 0,
    Other = 1,
    Usage = 2,
    Refused = 3,
    NoCredits = 4,
    Network = 5,
    Uncertain = 6,
    Undecodable = 7,
    /// As shells report the signals.
    HungUp = 129,
    Interrupted = 130,
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// An error that ends the program, in the words of the command line.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    /// Explains a failed write. A reader that closed the output is not an error, and ends the program silently.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Code::Done, "");
        }
        Self::new(Code::Other, format!("the output cannot be written: {error}"))
    }

    /// The reader of the output does not read. Ends the program with the exit code of a signal.
    pub(crate) fn stalled(code: Code) -> Self {
        Self::new(code, "the output cannot be written: its reader does not read")
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    pub(crate) fn and(mut self, more: &str) -> Self {
        self.text += more;
        self
    }

    /// Returns whether there is no text to print.
    pub(crate) fn is_quiet(&self) -> bool {
        self.text.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Code::Other, format!("the store failed: {}", words::translated(&error.to_string())))
    }
}

/// Formats a number with its noun, such as `2 credits`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
