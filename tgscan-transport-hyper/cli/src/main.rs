//! The TgScan API on the command line.
#![expect(clippy::print_stderr, reason = "a command line talks to people")]
#![expect(clippy::format_push_string, reason = "short texts for people, where no allocation matters")]

mod args;
mod batch;
mod connect;
mod exit;
mod one;
mod print;
mod show;
mod store;

use clap::{CommandFactory, Parser};

use args::{Arguments, Command};
use exit::{Code, Failure};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    if let Some(color) = arguments.global.color {
        color.write_global();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::new(Code::Other, format!("no runtime: {error}"))),
    };
    let done = runtime.block_on(run(arguments));
    // Nobody is waited for who only reads a terminal.
    runtime.shutdown_background();
    match done {
        Ok(code) => code.into(),
        Err(failure) => report(&failure),
    }
}

async fn run(arguments: Arguments) -> Result<Code, Failure> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Search(query) => one::search(&global, query).await,
        Command::Similar(query) => one::similar(&global, query).await,
        Command::Check(query) => one::check(&global, query).await,
        Command::Balance(output) => one::balance(&global, output).await,
        Command::Batch(batch) => batch::run(&global, batch).await,
        Command::Store(command) => store::run(&global, command).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tgscan", &mut script);
            print::bytes(&script).map(|()| Code::Done)
        }
        Command::Man => {
            let mut page = Vec::new();
            let made = clap_mangen::Man::new(Arguments::command()).render(&mut page);
            made.map_err(|error| Failure::new(Code::Other, format!("no man page: {error}")))?;
            print::bytes(&page).map(|()| Code::Done)
        }
    }
}

fn report(failure: &Failure) -> std::process::ExitCode {
    if !failure.is_quiet() {
        eprintln!("tgscan: {failure}");
    }
    failure.code().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
