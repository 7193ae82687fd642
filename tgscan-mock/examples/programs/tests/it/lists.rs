//! Programs that look up a list.

use std::collections::BTreeSet;
use std::path::Path;

use tgscan_mock::types::{Search, UserCheck};
use tgscan_mock::{Fault, FaultKind};

use crate::support::{PRICE, Service, wait_until};

const BATCH: &str = env!("CARGO_BIN_EXE_batch");
const RESUME: &str = env!("CARGO_BIN_EXE_resume");

fn path(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).display().to_string()
}

fn names(count: usize) -> String {
    (0..count).map(|number| format!("name_{number}")).collect::<Vec<_>>().join("\n")
}

/// Returns the accounts that have a row.
fn rows(found: &str) -> Vec<String> {
    let text = std::fs::read_to_string(found).unwrap();
    let row = |row: &str| serde_json::from_str::<serde_json::Value>(row).unwrap();
    text.lines().map(|line| row(line)["account"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn batch_stays_in_its_budget_and_continues() {
    let (service, directory) = (Service::start(), tempfile::tempdir().unwrap());
    let (list, found) = (path(&directory, "list"), path(&directory, "found"));
    std::fs::write(&list, names(40) + "\n@Name_3\n\n+49 151 2345678\n").unwrap();

    let first = service.run(BATCH, &[&list, &found, "30"]);
    let said = String::from_utf8(first.stderr).unwrap();
    assert!(!first.status.success() && said.contains("line 43: "), "{said}");
    assert!(said.contains("could exceed the cap of 30 credits"), "{said}");
    let spent = service.mock.account().spent;
    // A search reserves 5 credits, so up to 4 remain.
    assert!((26..=30).contains(&spent), "{spent}");
    assert_eq!(rows(&found).len() as u64, spent / PRICE);

    let second = service.run(BATCH, &[&list, &found, "1000"]);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let all = rows(&found);
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (40, 40));
    assert_eq!(service.paid(), 40);
}

#[test]
fn batch_does_not_repeat_uncertain_calls() {
    let (service, directory) = (Service::start(), tempfile::tempdir().unwrap());
    let (list, found) = (path(&directory, "list"), path(&directory, "found"));
    std::fs::write(&list, "name_1\nname_2\n").unwrap();
    service.mock.script::<Search>([Fault::new(FaultKind::Close).charged()]);
    for _ in 0..2 {
        assert!(service.run(BATCH, &[&list, &found, "1000"]).status.success());
        assert_eq!((rows(&found).len(), service.paid()), (2, 2));
    }
    assert!(std::fs::read_to_string(&found).unwrap().contains(r#""uncertain":"search: "#));
}

#[test]
fn batch_stops_at_an_invalid_key() {
    let (service, directory) = (Service::start(), tempfile::tempdir().unwrap());
    let (list, found) = (path(&directory, "list"), path(&directory, "found"));
    std::fs::write(&list, "name_1\nname_2\n").unwrap();
    let wrong_key = || Fault::new(FaultKind::ErrorEnvelope { status: 401 });
    service.mock.script::<UserCheck>([wrong_key(), wrong_key()]);
    let output = service.run(BATCH, &[&list, &found, "1000"]);
    assert!(!output.status.success());
    assert!(rows(&found).is_empty() && Path::new(&found).exists());
}

#[test]
fn resume_continues_without_paying_twice_after_a_kill() {
    let (service, directory) = (Service::start(), tempfile::tempdir().unwrap());
    let (list, store) = (path(&directory, "list"), path(&directory, "store"));
    std::fs::write(&list, names(20)).unwrap();
    let mut child = service.spawn(RESUME, &[&list, &store]);
    wait_until(|| service.paid() >= 5);
    child.kill().unwrap();
    child.wait().unwrap();

    let again = service.run(RESUME, &[&list, &store]);
    let said = String::from_utf8(again.stdout).unwrap();
    assert_eq!(said.lines().count(), 20, "{said}");
    assert!(said.lines().filter(|line| line.ends_with(", no credits charged")).count() >= 4, "{said}");
    // Calls in flight at the kill may not have been sent. Neither they nor any others are repeated.
    let (paid, third) = (service.paid(), service.run(RESUME, &[&list, &store]));
    assert!((19..=20).contains(&paid) && service.paid() == paid, "{paid}");
    assert_eq!(String::from_utf8(third.stdout).unwrap().matches("credits charged").count(), 20);
}
