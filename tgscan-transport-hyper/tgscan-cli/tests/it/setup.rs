//! `tgscan init`, the configuration file, and defaults that keep answers.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind, Mock};

use crate::support::{Bench, PRICE, Ran};

/// Runs `tgscan init` with these lines on standard input.
fn init(bench: &Bench, flags: &[&str], lines: &str) -> Ran {
    let url = bench.server.url();
    typed(bench.without_key(&[&["init", "--base-url", &url], flags].concat()), lines)
}

fn typed(mut command: std::process::Command, lines: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

fn configured(bench: &Bench, arguments: &[&str]) -> Ran {
    Ran::of(bench.without_key(arguments).output().unwrap())
}

#[test]
fn init_keeps_the_key_and_answers_and_a_repeated_question_is_free() {
    let bench = Bench::new(100);
    let ran = init(&bench, &[], &format!("{}\n\n\n\n", Mock::LIVE_KEY));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("the key works: 100 credits are left"), "{ran:?}");
    assert!(!ran.err.contains(Mock::LIVE_KEY) && ran.out.is_empty(), "{ran:?}");
    let config = bench.path(".config/tgscan");
    for name in ["key", "config.toml"] {
        let mode = std::fs::metadata(config.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = std::fs::read_to_string(config.join("config.toml")).unwrap();
    assert!(text.contains("max_age = \"7days\"") && text.contains("keep_for = \"30days\""), "{text}");
    for says in ["2 credits charged, 98 left", "ago, nothing charged"] {
        let ran = configured(&bench, &["search", "alice_1"]);
        assert!(ran.code == Some(0) && ran.err.contains(says), "{ran:?}");
        assert!(!ran.err.contains("hint"), "{ran:?}");
    }
    assert!(bench.path(".local/share/tgscan/answers.tgscan").exists());
    let unstored = configured(&bench, &["--no-store", "search", "alice_1"]);
    assert!(unstored.err.contains("2 credits charged"), "{unstored:?}");
    assert_eq!(bench.spent(), 2 * PRICE);
    let again = init(&bench, &[], "another\n");
    assert!(again.code == Some(2) && again.err.contains("--force"), "{again:?}");
}

/// Otherwise a question asked in another folder would be paid for again.
#[test]
fn relative_store_is_the_same_file_in_every_folder() {
    let bench = Bench::new(100);
    let elsewhere = bench.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let ran = init(&bench, &["--store", "mine"], &format!("{}\n\n\n\n", Mock::LIVE_KEY));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let search = |folder: &std::path::Path| {
        let ran = Ran::of(bench.without_key(&["search", "alice_1"]).current_dir(folder).output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    search(&bench.path(""));
    search(&elsewhere);
    assert_eq!(bench.spent(), PRICE);
    assert!(bench.path("mine").exists());

    // In a file that was written by hand, paths start at the folder of the file.
    let config = bench.path(".config/tgscan/config.toml");
    let url = bench.server.url();
    let text = format!(
        "base_url = \"{url}\"\nkey_file = \"key\"\nstore = \"by-hand\"\n[profiles.other]\nstore = \"other\"\n"
    );
    std::fs::write(&config, text).unwrap();
    search(&bench.path(""));
    search(&elsewhere);
    assert_eq!(bench.spent(), 2 * PRICE);
    assert!(config.with_file_name("by-hand").exists());
    let shown = Ran::of(bench.without_key(&["config", "--profile", "other"]).output().unwrap());
    let other = config.with_file_name("other");
    assert!(shown.out.contains(other.to_str().unwrap()), "{shown:?}");
}

#[test]
fn batch_whose_key_is_withdrawn_continues_after_init() {
    let bench = Bench::new(100);
    let lines = format!("{}\n\n\n\n", Mock::LIVE_KEY);
    init(&bench, &[], &lines);
    bench.write("list", crate::support::list(3));
    let refused = || Fault::new(FaultKind::ErrorEnvelope { status: 401 });
    bench.mock.script::<Search>([None, Some(refused()), Some(refused())]);
    let batch = ["batch", "list", "--jobs", "1", "--out", "out.jsonl"];
    let ran = configured(&bench, &batch);
    assert!(ran.code == Some(3) && ran.err.contains("refuses the API key from the file"), "{ran:?}");
    let next = "next: tgscan init --force && tgscan batch list --jobs 1 --out out.jsonl\n";
    assert!(ran.err.ends_with(next), "{ran:?}");
    bench.mock.clear_script();
    assert_eq!(typed(bench.without_key(&["init", "--force"]), &lines).code, Some(0));
    assert_eq!(configured(&bench, &batch).code, Some(0));
    assert_eq!(bench.spent(), 3 * PRICE);
}

/// Otherwise answers in the store would be paid for again, without the limit.
#[test]
fn init_replaces_the_key_and_keeps_other_settings_unless_flags_change_them() {
    let bench = Bench::new(100);
    let url = bench.server.url();
    let stored = "store = \"answers\"\nmax_age = \"2days\"\nkeep_for = \"3days\"\n";
    let own =
        format!("account = \"team\"\ntest_key = false\nmax_credits = 5\nmax_cost_per_search = 2\n{stored}");
    let service = format!("base_url = \"{url}\"\n");
    let own = format!("{service}{own}");
    let profile = "[profiles.work]\nkey_file = \"old-key\"\n";
    for (text, flags, profile_in, kept) in [
        (own.clone(), &[][..], "", own.clone()),
        (format!("{profile}{own}"), &[], "work", own.clone()),
        // The profile inherits all of its settings but the key.
        (format!("{own}{profile}"), &[], "work", format!("{own}\n[profiles.work]\n")),
        (own.clone(), &["--max-credits", "9"], "", own.replace("max_credits = 5", "max_credits = 9")),
        (own.clone(), &["--max-cost-per-search", "1"], "", own.replace("search = 2", "search = 1")),
        // Without a store, as before.
        (format!("key_file = \"old-key\"\n{service}"), &[], "", service.clone()),
        (
            format!("{service}key_file = \"old-key\"\n{profile}"),
            &[],
            "work",
            format!("{service}\n[profiles.work]\n"),
        ),
    ] {
        let path = bench.write("config.toml", &text);
        let mut command = bench.without_key(&[&["init", "--force"], flags].concat());
        command.env("TGSCAN_CONFIG", &path).env("TGSCAN_PROFILE", profile_in);
        let ran = typed(command, &format!("{}\n\n\n\n", Mock::LIVE_KEY));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let written = std::fs::read_to_string(path).unwrap();
        let sorted = |text: &str| {
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("key_file"));
            let mut lines: Vec<String> = lines.map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let kept =
            if text.starts_with("[profiles.work]") { format!("[profiles.work]\n{kept}") } else { kept };
        assert_eq!(sorted(&written), sorted(&kept), "{text}");
        let has_old_key = text.starts_with("base_url") && text.contains("old-key\"\n[profiles");
        assert_eq!(written.contains("old-key"), has_old_key, "{written}");
    }
}

#[test]
fn init_refuses_an_old_configuration_that_it_cannot_keep() {
    let bench = Bench::new(100);
    for (text, says) in [
        ("store = \"s\"\nmax_credit = 7\n", "unknown field `max_credit`"),
        ("store = \"s\"\nmax_credits = \"7\"\n", "in `max_credits`"),
        ("[profiles.work]\nmax_credit = 7\n", "unknown field `max_credit`"),
    ] {
        let path = bench.write("config.toml", text);
        for flags in [&[][..], &["--profile", "work"]] {
            let mut command = bench.without_key(&[&["init", "--force"], flags].concat());
            command.env("TGSCAN_CONFIG", &path).env("TGSCAN_BASE_URL", bench.server.url());
            let ran = typed(command, &format!("{}\n\n\n\n", Mock::LIVE_KEY));
            assert!(ran.code == Some(2) && ran.err.contains(says), "{ran:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}

#[test]
fn init_tests_the_key_and_writes_nothing_for_a_wrong_one() {
    let bench = Bench::new(100);
    let wrong = init(&bench, &[], "wrong-key\n\n\n\n");
    assert!(wrong.code == Some(3) && wrong.err.contains("nothing was written"), "{wrong:?}");
    assert!(!bench.path(".config").exists());
    let empty = init(&bench, &[], "");
    assert!(empty.code == Some(2) && empty.err.contains("no API key was given"), "{empty:?}");
    // The service of the environment is the one whose key is tested.
    let mut command = bench.without_key(&["init", "--force"]);
    let mut child = command.env("TGSCAN_BASE_URL", bench.server.url()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"wrong-key\n").unwrap();
    assert_eq!(Ran::of(child.wait_with_output().unwrap()).code, Some(3));
    let work = init(&bench, &["--profile", "work"], &format!("{}\nn\n", Mock::LIVE_KEY));
    assert!(work.err.ends_with("next: tgscan search ACCOUNT --profile work\n"), "{work:?}");
    // Without a store.
    let ran = init(&bench, &[], &format!("{}\nn\n", Mock::LIVE_KEY));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    configured(&bench, &["search", "alice_1"]);
    configured(&bench, &["search", "alice_1"]);
    assert_eq!(bench.spent(), 2 * PRICE);
}

#[test]
fn first_paid_answer_that_is_not_kept_says_once_how_to_keep_it() {
    let bench = Bench::new(100);
    let first = bench.run(&["search", "alice_1"]);
    assert!(first.err.contains("`tgscan init` keeps answers"), "{first:?}");
    let second = bench.run(&["search", "alice_1"]);
    assert!(!second.err.contains("tgscan init"), "{second:?}");
}

#[test]
fn flags_override_the_environment_and_that_the_file_with_its_profiles() {
    let bench = Bench::new(100);
    let url = bench.server.url();
    bench.write("key", Mock::LIVE_KEY);
    bench.write(
        "config.toml",
        format!(
            "key_file = \"key\"\nbase_url = \"{url}\"\nmax_credits = 7\n[profiles.work]\nmax_credits = 9\nstore = \"work\"\n"
        ),
    );
    let config = |flags: &[&str], environment: &[(&str, &str)]| {
        let mut command = bench.without_key(&[flags, &["config"]].concat());
        command.env("TGSCAN_CONFIG", "config.toml").envs(environment.iter().copied());
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let has = |lines: &[String], line: &str| assert!(lines.iter().any(|l| l == line), "{line}: {lines:?}");
    let file = config(&[], &[]);
    has(&file, "max_credits 7 [configuration file]");
    has(&file, "key_file key [configuration file]");
    has(&file, "store (none: answers are not kept) [default]");
    let profile = config(&["--profile", "work"], &[]);
    has(&profile, "max_credits 9 [configuration file, profile work]");
    has(&profile, "store work [configuration file, profile work]");
    has(&profile, "max_age 7days [default]");
    has(&config(&[], &[("TGSCAN_PROFILE", "work")]), "max_credits 9 [configuration file, profile work]");
    let environment =
        config(&["--profile", "work"], &[("TGSCAN_MAX_CREDITS", "11"), ("TGSCAN_API_KEY", "s3cret")]);
    has(&environment, "max_credits 11 [TGSCAN_MAX_CREDITS]");
    has(&environment, "key (not shown) [TGSCAN_API_KEY]");
    assert!(environment.iter().all(|line| !line.contains("s3cret")));
    let flags = config(&["--max-credits", "13"], &[("TGSCAN_MAX_CREDITS", "11")]);
    has(&flags, "max_credits 13 [--max-credits]");
    has(&config(&["--store", "postgres://me:s3cret@host/db"], &[]), "store postgres://…@host/db [--store]");
}

#[test]
fn wrong_configuration_says_what_is_wrong_and_where() {
    let bench = Bench::new(100);
    for (text, flags, says) in [
        ("max_credit = 7\n", &[][..], "unknown field `max_credit`"),
        ("max_credits = \"many\"\n", &[], "max_credits"),
        ("max_age = \"7days\"\nstore = postgres://me:s3cret@host/db\n", &[], "line 2: "),
        ("[profiles.a]\nmax_credits = \"s3cret\"\n", &["--profile", "a"], "expected"),
        ("max_age = \"soon\"\nstore = \"s\"\n", &[], "max_age in the configuration file"),
        ("[profiles.a]\n", &["--profile", "b"], "has no such profile; it has: a"),
    ] {
        bench.write("config.toml", text);
        let mut command = bench.without_key(&[flags, &["config"]].concat());
        let ran = Ran::of(command.env("TGSCAN_CONFIG", "config.toml").output().unwrap());
        assert!(ran.code == Some(2) && ran.err.contains(says), "{says}: {ran:?}");
        assert!(ran.err.contains("config.toml") || ran.err.contains("configuration file"), "{ran:?}");
        assert!(!ran.err.contains("s3cret"), "{ran:?}");
    }
}

#[test]
fn wrong_connection_string_becomes_no_file_and_is_not_shown() {
    let bench = Bench::new(100);
    for store in [
        "\"postgres://me:s3cret@localhost:1/db\"",
        "Postgres://me:s3cret@localhost:1/db",
        "mysql://me:s3cret@localhost:1/db",
        "host=localhost port=1 user=me password=s3cret",
        " postgres://me:s3cret@localhost:1/db",
        "postgres://localhost:1/db?user=me&password=s3cret",
    ] {
        let mut command = bench.command(&["search", "alice_1"]);
        let ran = Ran::of(command.env("TGSCAN_STORE", store).output().unwrap());
        assert!(ran.code != Some(0) && bench.spent() == 0, "{ran:?}");
        assert!(!ran.err.contains("s3cret") && ran.err.contains("--store: "), "{ran:?}");
        let names = std::fs::read_dir(bench.path("")).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().contains("s3cret")), "{names:?}");
    }
}

#[test]
fn refused_key_says_where_it_came_from() {
    let bench = Bench::new(100);
    bench.write("key", "wrong-key");
    let ran = bench.run(&["--key-file", "key", "search", "alice_1"]);
    assert!(ran.code == Some(3) && ran.err.contains("The key is from the file key"), "{ran:?}");
    let mut command = bench.command(&["search", "alice_1"]);
    let ran = Ran::of(command.env("TGSCAN_API_KEY", "wrong-key").output().unwrap());
    assert!(ran.err.contains("from the environment variable TGSCAN_API_KEY"), "{ran:?}");
    let missing =
        Ran::of(bench.without_key(&["--base-url", &bench.server.url(), "balance"]).output().unwrap());
    assert!(missing.err.contains("https://tgdev.io/tgscan/api issues keys"), "{missing:?}");
}
