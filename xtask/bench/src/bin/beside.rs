//! Runs suites, prints their tables, and writes them as JSON.

use std::path::PathBuf;
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
        Err(error) => {
            eprintln!("cannot write to {}: {error}", flags.json.display());
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> std::io::Result<()> {
    let suites = if flags.suites.is_empty() { Suite::value_variants() } else { &flags.suites };
    let pace = if flags.quick { Pace::QUICK } else { Pace::FULL };
    std::fs::create_dir_all(&flags.json)?;
    for (number, suite) in suites.iter().enumerate() {
        let name = suite.name();
        eprintln!("[{}/{}] {name} …", number + 1, suites.len());
        let tables = suite.run(pace);
        for table in &tables {
            println!("\n{}", table.draw());
        }
        std::fs::write(flags.json.join(format!("{name}.json")), serde_json::to_vec_pretty(&tables)?)?;
    }
    Ok(())
}
