//! Runs suites, prints their tables, and writes them as JSON.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tgscan_bench::beside::Suite;
use tgscan_bench::beside::race::Pace;

/// Measures this SDK beside its peers.
#[derive(Parser)]
struct Flags {
    /// Only these suites.
    suites: Vec<Suite>,
    /// A first look, with more noise.
    #[arg(long)]
    quick: bool,
    /// The folder for the results as JSON, one file per suite.
    #[arg(long)]
    json: PathBuf,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    // reqwest takes the process's default, which is the one that the SDK names for itself.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<(), String> {
    let suites = if flags.suites.is_empty() { Suite::value_variants() } else { &flags.suites };
    let pace = if flags.quick { Pace::QUICK } else { Pace::FULL };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("the package was moved")?;
    let unwritable = |error: std::io::Error| format!("cannot write to {}: {error}", flags.json.display());
    std::fs::create_dir_all(&flags.json).map_err(unwritable)?;
    for (number, suite) in suites.iter().enumerate() {
        let name = suite.name();
        eprintln!("[{}/{}] {name} …", number + 1, suites.len());
        let report = suite.run(pace, root).map_err(|problem| format!("{name}: {problem}"))?;
        for table in &report.tables {
            println!("\n{}", table.draw());
        }
        println!();
        for goal in &report.goals {
            println!("{goal}");
        }
        let json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(flags.json.join(format!("{name}.json")), json).map_err(unwritable)?;
    }
    Ok(())
}
