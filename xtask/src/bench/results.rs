//! What the suites found, as it is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::{Outcome, root};

/// The file of results. Each suite is replaced when it is measured again.
const RESULTS: &str = "xtask/bench/results.json";

/// What was found, by suite.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results(pub(super) BTreeMap<String, Suite>);

/// What one suite found, where, and by which command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Suite {
    pub(super) command: String,
    pub(super) machine: Machine,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) system: String,
    pub(super) rustc: String,
    /// How many programs wanted to run when it began, on average over a minute; more than none is noise.
    pub(super) load: Option<f64>,
}

/// As the measuring package writes it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) tables: Vec<Table>,
    pub(super) goals: Vec<Goal>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) figures: Vec<Option<f64>>,
    /// To the first row, of the first figure.
    pub(super) ratio: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) what: String,
    pub(super) figure: Option<f64>,
    pub(super) must_be: String,
    pub(super) limit: f64,
    pub(super) is_met: bool,
}

impl Results {
    /// What is kept; nothing if nothing was measured yet.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        match std::fs::read(root.join(RESULTS)) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| format!("cannot read {RESULTS}: {error}"))
            }
            Err(_) => Ok(Self::default()),
        }
    }

    fn write(&self, root: &Path) -> Outcome {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        std::fs::write(root.join(RESULTS), text).map_err(|error| format!("cannot write {RESULTS}: {error}"))
    }
}

/// Takes over what the measuring package wrote into this folder, one file per suite.
pub(super) fn keep(folder: &Path, machine: &Machine) -> Outcome {
    let mut results = Results::read(&root())?;
    let wrong = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let bytes = std::fs::read(&path).map_err(wrong)?;
        let report =
            serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        let command = format!("cargo xtask bench {name}");
        results.0.insert(name.to_owned(), Suite { command, machine: machine.clone(), report });
    }
    results.write(&root())
}

/// This machine, now.
pub(super) fn machine() -> Machine {
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    Machine {
        processor: processor.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        rustc: rustc.unwrap_or_else(|| "unknown".to_owned()),
        load: load.and_then(|load| load.split_whitespace().next()?.parse().ok()),
    }
}
