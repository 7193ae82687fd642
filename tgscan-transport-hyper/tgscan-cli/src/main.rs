//! The TgScan API on the command line.
#![expect(clippy::format_push_string, reason = "short texts for people, where no allocation matters")]

mod account_rows;
mod answers;
mod args;
mod batch;
mod command;
mod config;
mod connect;
mod csv_cells;
mod diff;
mod escape;
mod exit;
mod explain;
mod files;
mod finish;
mod gate;
mod help;
mod hint;
mod init;
mod limit;
mod location;
mod one;
mod overlap;
mod print;
mod probe;
mod report;
mod serve;
mod settings;
mod show;
mod signals;
mod store;
mod toml_text;
mod verbose;
mod waiting;
mod words;

use clap::{ColorChoice, CommandFactory, Parser};

use command::{Arguments, Command};
use exit::{Code, Failure};
use settings::Settings;
use signals::Signal;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    if let Some(color) = arguments.global.color {
        let choice = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if !matches!(arguments.command, Command::Serve(_)) {
        runtime.worker_threads(2);
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report(&Failure::new(Code::Other, format!("cannot start the runtime: {error}"))).into();
        }
    };
    let code = runtime.block_on(async {
        signals::ignore_file_limit();
        let code = run(arguments).await.unwrap_or_else(|failure| report(&failure));
        finish::finish_notes(Signal::of(code)).await;
        code
    });
    // A thread that waits for input from a terminal, or for the reader of the output, would not end.
    runtime.shutdown_background();
    code.into()
}

async fn run(arguments: Arguments) -> Result<Code, Failure> {
    let Arguments { mut global, command } = arguments;
    let settings = match command {
        // The gateway has its own configuration, `init` writes one, and the others need none.
        Command::Init(_) | Command::Serve(_) | Command::Completions { .. } | Command::Man { .. } => {
            Settings::default()
        }
        _ => settings::resolve(&mut global)?,
    };
    match command {
        Command::Search(query) => one::search(&global, query).await,
        Command::Similar(query) => one::similar(&global, query).await,
        Command::Check(query) => one::check(&global, query).await,
        Command::Balance(output) => one::balance(&global, output).await,
        Command::Batch(batch) => batch::run(&global, batch).await,
        Command::Store(command) => store::run(&global, command).await,
        Command::Init(command) => init::run(&mut global, &command).await,
        Command::Config => config::show(&settings),
        Command::Probe(command) => probe::run(&global, &settings, command).await,
        Command::Diff(command) => diff::run(&global, command).await,
        Command::Overlap(command) => overlap::run(&global, command).await,
        Command::Report(command) => report::run(&global, command).await,
        Command::Serve(command) => serve::run(&global, command).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tgscan", &mut script);
            print::bytes(&script).map(|()| Code::Done)
        }
        Command::Man { dir } => man(dir.as_deref()),
    }
}

fn man(dir: Option<&std::path::Path>) -> Result<Code, Failure> {
    let fail = |error| Failure::new(Code::Other, format!("cannot write the man page: {error}"));
    if let Some(dir) = dir {
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), dir))
            .map_err(fail)?;
        return Ok(Code::Done);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page).map_err(fail)?;
    print::bytes(&page).map(|()| Code::Done)
}

fn report(failure: &Failure) -> Code {
    if !failure.is_quiet() {
        print::note(&format!("tgscan: {failure}"));
    }
    failure.code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
