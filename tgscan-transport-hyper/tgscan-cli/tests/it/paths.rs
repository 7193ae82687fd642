//! Paths of outputs: links, folders, read-only files, and names that are not UTF-8.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use tgscan_mock::Expect;
use tgscan_mock::types::{Search, SearchAnswer};

use crate::support::{Bench, PRICE, Ran, STORE, accounts, charged, list};
use crate::unwritten::{ASIDE, set_aside};

/// A bench with answers in the file `out.jsonl`.
fn with_answers() -> Bench {
    let bench = Bench::new(1000);
    bench.write("list", list(2));
    assert_eq!(bench.run(&["batch", "list", "--out", "out.jsonl"]).code, Some(0));
    bench
}

fn report(bench: &Bench, flags: &[&str]) -> Ran {
    bench.run(&[&["report", "--from", "out.jsonl", "--out"], flags].concat())
}

#[test]
fn link_to_a_missing_file_creates_the_file_and_stays_a_link() {
    let bench = with_answers();
    std::fs::create_dir(bench.path("folder")).unwrap();
    symlink("folder/page.html", bench.path("second.html")).unwrap();
    symlink("second.html", bench.path("first.html")).unwrap();
    let ran = report(&bench, &["first.html"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(bench.path("first.html").is_symlink() && bench.path("second.html").is_symlink());
    assert!(std::fs::read_to_string(bench.path("folder/page.html")).unwrap().contains("name_0"));
    // The same for the rows of a batch.
    symlink("folder/rows.jsonl", bench.path("rows.jsonl")).unwrap();
    assert_eq!(bench.run(&["batch", "list", "--out", "rows.jsonl"]).code, Some(0));
    assert!(bench.path("rows.jsonl").is_symlink());
    assert_eq!(accounts(&bench.path("folder/rows.jsonl")).len(), 2);
}

#[test]
fn paths_that_cannot_be_written_are_refused_unchanged() {
    let bench = with_answers();
    std::fs::create_dir(bench.path("folder.html")).unwrap();
    symlink("folder.html", bench.path("to_folder.html")).unwrap();
    symlink("b.html", bench.path("a.html")).unwrap();
    symlink("a.html", bench.path("b.html")).unwrap();
    symlink("missing/page.html", bench.path("into_missing.html")).unwrap();
    assert_eq!(report(&bench, &["read_only.html"]).code, Some(0));
    let read_only = bench.path("read_only.html");
    std::fs::set_permissions(&read_only, Permissions::from_mode(0o444)).unwrap();
    for (path, why) in [
        ("folder.html", "it is a folder"),
        ("to_folder.html", "it is a folder"),
        ("a.html", "Too many levels of symbolic links"),
        ("into_missing.html", "it is a link to missing/page.html, whose folder does not exist"),
        ("read_only.html", "it is read-only; choose another file or use --force"),
    ] {
        let ran = report(&bench, &[path]);
        assert!(ran.code == Some(2) && ran.err.contains(why), "{path}: {ran:?}");
    }
    assert!(bench.path("a.html").is_symlink() && bench.path("into_missing.html").is_symlink());
    assert_eq!(report(&bench, &["read_only.html", "--force"]).code, Some(0));
    // The same for the rows of a batch, before anything is paid.
    let spent = bench.spent();
    symlink("d.jsonl", bench.path("c.jsonl")).unwrap();
    symlink("c.jsonl", bench.path("d.jsonl")).unwrap();
    symlink("missing/rows.jsonl", bench.path("into_missing.jsonl")).unwrap();
    std::fs::create_dir(bench.path("folder.jsonl")).unwrap();
    for path in ["c.jsonl", "into_missing.jsonl", "folder.jsonl", "missing/out.jsonl"] {
        let ran = bench.run(&["batch", "list", "--out", path]);
        assert!(ran.code == Some(2) && ran.err.contains("--out"), "{path}: {ran:?}");
    }
    assert_eq!(bench.spent(), spent);
}

#[test]
fn configuration_that_is_a_link_stays_one() {
    let bench = Bench::new(1000);
    std::fs::create_dir_all(bench.path("dotfiles")).unwrap();
    symlink("dotfiles/config.toml", bench.path("config.toml")).unwrap();
    let mut command = bench.command(&["init"]);
    command.env("TGSCAN_CONFIG", bench.path("config.toml")).env_remove("TGSCAN_API_KEY");
    let input = bench.write("answers", format!("{}\nn\n", tgscan_mock::Mock::LIVE_KEY));
    let ran = Ran::of(command.stdin(File::open(input).unwrap()).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(bench.path("config.toml").is_symlink() && bench.path("dotfiles/config.toml").exists(), "{ran:?}");
}

/// Runs the program with an argument that is not UTF-8 at the end.
fn with_word(bench: &Bench, arguments: &[&str], word: &[u8]) -> Command {
    let mut command = bench.command(arguments);
    command.arg(OsStr::from_bytes(word));
    command
}

#[test]
fn output_whose_name_is_not_utf8_is_written_and_the_next_command_works() {
    let bench = Bench::new(2 * 3);
    bench.write("list", list(5));
    let name = b"o'\xff $x.jsonl";
    let ran = with_word(&bench, &["batch", "list", "--jobs", "1", "--out"], name).output().unwrap();
    let (code, err) = (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned());
    assert_eq!((code, charged(&err)), (Some(4), 6), "{err}");
    assert_eq!(accounts(&bench.directory.path().join(OsStr::from_bytes(name))).len(), 3);
    bench.mock.set_credits(100);
    let next = bench.paste(&err);
    assert_eq!(next.code, Some(0), "{next:?}");
    assert_eq!(accounts(&bench.directory.path().join(OsStr::from_bytes(name))).len(), 5);
    assert_eq!(bench.spent(), 5 * PRICE);
}

/// Otherwise another store would be used, and its answers paid for again.
#[test]
fn folder_that_is_not_utf8_is_refused_for_a_relative_store_and_by_init() {
    let bench = Bench::new(100);
    let folder = bench.directory.path().join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&folder).unwrap();
    let config = folder.join("config.toml");
    std::fs::write(&config, "store = \"answers\"\n").unwrap();
    let mut search = bench.command(&["search", "alice_1"]);
    let mut init = bench.without_key(&["init", "--base-url", &bench.server.url()]);
    let typed = bench.write("typed", format!("{}\n\n\n\n", tgscan_mock::Mock::LIVE_KEY));
    init.env("HOME", &folder).stdin(File::open(typed).unwrap());
    for command in [search.env("TGSCAN_CONFIG", &config), &mut init] {
        let ran = Ran::of(command.output().unwrap());
        assert!(ran.code == Some(2) && ran.err.contains("is not UTF-8"), "{ran:?}");
    }
    assert_eq!(bench.spent(), 0);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing was written");
}

/// Otherwise answers would not be kept, and cost more than the limit.
#[test]
fn variable_that_is_not_utf8_is_refused() {
    let bench = Bench::new(100);
    for name in ["TGSCAN_STORE", "TGSCAN_MAX_CREDITS", "TGSCAN_PROFILE"] {
        let mut command = bench.command(&["search", "alice_1"]);
        let ran = Ran::of(command.env(name, OsStr::from_bytes(b"\xff")).output().unwrap());
        assert!(ran.code == Some(2) && ran.err.contains(&format!("{name} is not UTF-8")), "{ran:?}");
    }
    assert_eq!(bench.spent(), 0);
}

#[test]
fn named_pipe_in_place_of_the_store_is_not_opened() {
    let bench = Bench::new(100);
    assert!(Command::new("mkfifo").arg(bench.path(STORE[1])).status().unwrap().success(), "mkfifo");
    for command in [&["search", "alice_1"][..], &["store", "check"], &["store", "export", "--damaged"]] {
        let ran = bench.run_stored(command);
        assert!(ran.code == Some(1) && ran.err.contains("--store: store: not a file"), "{ran:?}");
    }
    assert_eq!(bench.spent(), 0);
}

#[test]
fn key_file_whose_name_is_not_utf8_is_read() {
    let bench = Bench::new(100);
    let name = OsStr::from_bytes(b"\xff");
    std::fs::write(bench.directory.path().join(name), tgscan_mock::Mock::LIVE_KEY).unwrap();
    let url = bench.server.url();
    let mut flag = bench.without_key(&["--base-url", &url, "balance", "--key-file"]);
    let mut variable = bench.without_key(&["--base-url", &url, "balance"]);
    for command in [flag.arg(name), variable.env("TGSCAN_KEY_FILE", name)] {
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

#[test]
fn answers_beside_a_name_that_is_not_utf8_are_set_aside() {
    let bench = Bench::new(1000);
    bench.write("list", list(3));
    let mut answer = SearchAnswer::default();
    "another_name".clone_into(&mut answer.meta.search_query);
    answer.meta.op_cost = PRICE;
    bench.expect(Expect::<Search>::any().then_answer(answer).repeated());
    let ran = with_word(&bench, &["batch", "list", "--jobs", "1", "--out"], b"\xff.jsonl").output().unwrap();
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    let path = bench.directory.path().join(OsStr::from_bytes(b"\xff.jsonl.set-aside.jsonl"));
    assert_eq!(set_aside(&path).len(), 3, "{ran:?}");
}

#[test]
fn nothing_panics_and_no_answer_is_lost_if_every_output_fails() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (number, stderr_is_full) in [false, true].into_iter().enumerate() {
        let bench = Bench::new(1000);
        bench.write("list", list(3));
        std::fs::create_dir(bench.path("tmp")).unwrap();
        // No file can be created in the working folder.
        for command in [&["search", "alice_1", "--json"][..], &["search", "bob_1"], &["batch", "-"]] {
            let mut program = bench.command(command);
            program.stdin(File::open(bench.path("list")).unwrap()).stdout(full());
            program.current_dir("/proc/self").env("TMPDIR", bench.path("tmp")).env_remove("HOME");
            if stderr_is_full {
                program.stderr(full());
            }
            let ran = Ran::of(program.output().unwrap());
            assert_eq!(ran.code, Some(1), "{number} {command:?} {ran:?}");
        }
        let kept: Vec<String> = std::fs::read_dir(bench.path("tmp"))
            .unwrap()
            .flat_map(|entry| set_aside(&entry.unwrap().path()))
            .collect();
        assert_eq!(kept.len() as u64, bench.spent() / PRICE, "{kept:?}");
        assert!(kept.len() >= 3, "{kept:?}");
    }
}

#[test]
fn program_whose_standard_streams_are_closed_keeps_its_answer() {
    let bench = Bench::new(1000);
    bench.write("list", list(3));
    for (number, arguments) in
        [&["search", "alice_1", "--json"][..], &["batch", "list"]].into_iter().enumerate()
    {
        let command = bench.command(arguments);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", r#"exec "$0" "$@" <&- >&- 2>&-"#])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(bench.directory.path()).stdin(Stdio::null());
        let ran = Ran::of(shell.output().unwrap());
        // Rust opens closed streams as /dev/null, as shells do.
        assert_eq!(ran.code, Some(0), "{number}: {ran:?}");
    }
}

#[test]
fn named_pipe_in_place_of_the_file_for_set_aside_answers_is_not_opened() {
    let bench = Bench::new(1000);
    assert!(Command::new("mkfifo").arg(bench.path(ASIDE)).status().unwrap().success(), "mkfifo");
    std::fs::create_dir(bench.path("tmp")).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = bench.command(&["search", "alice_1", "--json"]);
    let ran = Ran::of(command.env("TMPDIR", bench.path("tmp")).stdout(full).output().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let second = std::fs::read_dir(bench.path("tmp")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(set_aside(&second), ["alice_1"]);
}

#[test]
fn erasing_counts_no_uncertain_call_as_an_answer() {
    use tgscan_mock::{Fault, FaultKind};
    let bench = Bench::new(1000);
    bench.mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    assert_eq!(bench.run_stored(&["search", "alice_1"]).code, Some(6));
    let asked = bench.run_stored(&["store", "erase", "alice_1"]);
    assert!(asked.err.contains("1 question and 0 answers about alice_1"), "{asked:?}");
    let erased = bench.run(&[&STORE[..], &["store", "erase", "alice_1", "--yes"]].concat());
    assert!(erased.code == Some(0) && erased.err.contains("erased: 1 question, 0 answers"), "{erased:?}");
}
