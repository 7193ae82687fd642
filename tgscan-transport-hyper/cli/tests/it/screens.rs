//! What people see, word for word. To accept a change: `UPDATE_SNAPSHOTS=yes cargo test --package tgscan-cli screens`.

use std::fmt::Write;
use std::path::Path;

use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::support::{Bench, Ran};

/// Compares a screen with its file.
fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, expected, "{name} is not as in {}", path.display());
}

fn screen(command: &str, ran: &Ran) -> String {
    let mut text = format!("$ tgscan {command}\n{}", ran.out);
    for line in ran.err.lines() {
        writeln!(text, "(2) {line}").unwrap();
    }
    if ran.code != Some(0) {
        writeln!(text, "exit code {}", ran.code.unwrap()).unwrap();
    }
    text
}

#[test]
fn answers_for_people() {
    let bench = Bench::new(1000);
    let mut text = String::new();
    for command in
        ["balance", "check alice_1", "search alice_1", "search alice_1 --csv", "similar group_a group_b"]
    {
        text += &screen(command, &bench.run(&command.split(' ').collect::<Vec<_>>()));
        text.push('\n');
    }
    check("answers", &text);
}

#[test]
fn batch_from_plan_to_bill() {
    let bench = Bench::new(1000);
    bench.write("list.txt", "@alice_1\nbob_1\nALICE_1\n+7 999 1234567\n\ncarol_1\n");
    let mut text = String::new();
    let mut run = |command: &str| {
        let ran = bench.run_stored(&command.split(' ').collect::<Vec<_>>());
        text += &screen(command, &ran);
        text.push('\n');
    };
    run("batch list.txt --out out.jsonl --dry-run");
    bench.mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    run("batch list.txt --out out.jsonl --jobs 1");
    run("batch list.txt --out out.jsonl --jobs 1");
    run("store info");
    run("store reconcile --late-charge 0s");
    run("batch list.txt --out out.jsonl --jobs 1");
    // The port differs from run to run.
    check("batch", &text.replace(bench.server.address().to_string().as_str(), "ADDRESS"));
}

#[test]
fn help() {
    let bench = Bench::new(1);
    let mut text = String::new();
    for command in ["--help", "batch --help", "store --help"] {
        text += &screen(command, &bench.run(&command.split(' ').collect::<Vec<_>>()));
        text.push('\n');
    }
    check("help", &text);
}
