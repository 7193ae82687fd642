//! Unmodified clients in other languages.
//!
//! Those that need more than curl are left out of a plain `cargo test`; `cargo xtask ci` runs them. They use whatever of
//! requests, httpx and axios is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tgscan_mock::Expect;
use tgscan_mock::types::Search;

use crate::support::{Gateway, World};

/// Go's cache of compiled packages.
const GO_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/go");

/// The programs of the page, by language, with the gateway's address and a key in them.
fn page(language: &str, gateway: &Gateway, key: &str) -> String {
    let page = include_str!("../../SERVE.md");
    let fence = format!("\n```{language}\n");
    let codes = page.split(&fence).skip(1).filter_map(|code| code.split("\n```").next());
    let code = codes.into_iter().find(|code| code.contains("XXX")).unwrap();
    code.replace("127.0.0.1:8470", &gateway.address.to_string()).replace("XXX", key)
}

fn run(command: &mut Command) -> String {
    let output = command.env("NO_PROXY", "*").output().unwrap_or_else(|error| {
        panic!("{} is needed for this test: {error}", command.get_program().to_string_lossy())
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Python with the libraries that CI has installed, or else the system's.
fn python() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/python");
    if tools.exists() { tools } else { "python3".into() }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/clients").join(name)
}

/// Runs a client against all URLs. Each library must print the gateway's answers.
fn speaks(libraries: &[&str], command: impl FnOnce(&World) -> Command) {
    let world = World::new(1000);
    let (live, test) = (world.key("live", &[]), world.key("test", &["--test"]));
    let gateway = world.start();
    let url = format!("http://{}", gateway.address);
    let printed = run(command(&world).args([&url, &live, &test]));
    for library in libraries {
        for (path, form) in [
            ("/tgscan/v1/search", "query=some_username"),
            ("/tgscan/v1/chat/similar", "query=some_username1,some_username2"),
            ("/tgscan/v1/user/check", "query=136817688"),
            ("/tgscan/v1/balance", ""),
        ] {
            let answer = gateway.post(path, &live, form).body;
            assert!(printed.contains(&format!("{library} {path} {answer}")), "{library} {path}: {printed}");
        }
        for path in ["search", "chat/similar", "user/check"] {
            assert!(printed.contains(&format!("{library} /tgscan/v1/test/{path} ok")), "{library} {path}");
        }
    }
    // All libraries together paid for each question once.
    assert_eq!(world.mock.account().charged_calls, 2);
}

#[test]
fn curl_lines_of_the_documentation() {
    let world = World::new(100);
    let (live_key, test) = (world.key("live", &[]), world.key("test", &["--test"]));
    let gateway = world.start();
    let documentation = [
        (
            r#"curl -H "Api-Key: XXX" --data "query=some_username" https://api.tgdev.io/tgscan/v1/search"#,
            &live_key,
        ),
        (r#"curl -XPOST -H "Api-Key: XXX" https://api.tgdev.io/tgscan/v1/balance"#, &live_key),
        (
            r#"curl -H "Api-Key: XXX" --data "query=some_username1,some_username2" https://api.tgdev.io/tgscan/v1/chat/similar"#,
            &live_key,
        ),
        (
            r#"curl -H "Api-Key: XXX" --data "query=some_username1" https://api.tgdev.io/tgscan/v1/user/check"#,
            &live_key,
        ),
        (
            r#"curl -H "Api-Key: XXX" --data "query=some_username" https://api.tgdev.io/tgscan/v1/test/search"#,
            &test,
        ),
    ];
    for (line, key) in documentation {
        let line =
            line.replace("XXX", key).replace("https://api.tgdev.io", &format!("http://{}", gateway.address));
        let printed = run(Command::new("sh").args(["-c", &line]));
        assert!(printed.starts_with(r#"{"status":"ok","result":{"#), "{line}: {printed}");
    }
    let printed = run(Command::new("sh").args(["-c", &page("sh", &gateway, &live_key)]));
    assert_eq!(printed, gateway.search(&live_key, "some_username").body);
}

#[test]
#[ignore = "needs Python"]
fn python_with_its_libraries() {
    let found = run(Command::new(python()).args([
        "-c",
        "import importlib.util as u; print(*['urllib'] + [n for n in ('requests', 'httpx') if u.find_spec(n)])",
    ]));
    println!("{found}");
    speaks(&found.split(' ').collect::<Vec<_>>(), |_| {
        let mut command = Command::new(python());
        command.arg(script("all.py"));
        command
    });
}

#[test]
#[ignore = "needs Node.js"]
fn node_with_fetch_and_axios() {
    let has_axios = Command::new("node").args(["-e", "require('axios')"]).stderr(Stdio::null()).status();
    let mut libraries = vec!["fetch", "parameters"];
    libraries.extend(has_axios.unwrap().success().then_some("axios"));
    println!("{libraries:?}");
    speaks(&libraries, |_| {
        let mut command = Command::new("node");
        command.arg(script("all.mjs"));
        command
    });
}

#[test]
#[ignore = "needs Go"]
fn go_with_net_http() {
    speaks(&["net/http"], |world| {
        let mut command = Command::new("go");
        command.args(["run", script("all.go").to_str().unwrap()]);
        command.env("GOCACHE", GO_CACHE).env("HOME", world.directory.path());
        command
    });
}

/// Runs the client of the page in a language.
fn of_page(language: &str, world: &World, gateway: &Gateway, key: &str) -> Command {
    let code = page(language, gateway, key);
    let (program, name, code) = match language {
        "python" => (python(), "page.py", code),
        "js" => ("node".into(), "page.mjs", code),
        _ => {
            let imports = "package main\nimport (\"io\"; \"net/http\"; \"os\"; \"strings\")\n";
            ("go".into(), "page.go", format!("{imports}func main() {{\n{code}\n}}\n"))
        }
    };
    let path = world.write(name, &code);
    let mut command = Command::new(program);
    command.args((language == "go").then_some("run")).arg(path);
    command.env("GOCACHE", GO_CACHE).env("HOME", world.directory.path());
    command
}

#[test]
#[ignore = "needs Python and Node.js"]
fn equal_questions_from_two_languages_are_paid_once() {
    let world = World::new(100);
    let (one, other) = (world.key("one", &[]), world.key("other", &[]));
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(Duration::from_secs(2)).at_least(1));
    std::thread::scope(|scope| {
        let python = scope.spawn(|| run(&mut of_page("python", &world, &gateway, &one)));
        let node = scope.spawn(|| run(&mut of_page("js", &world, &gateway, &other)));
        let answers = [python.join().unwrap(), node.join().unwrap()];
        assert!(answers[0].starts_with(r#"{"status":"ok""#), "{answers:?}");
        assert_eq!(answers[0], answers[1]);
    });
    assert_eq!(world.mock.account().charged_calls, 1);
}

#[test]
#[ignore = "needs Go"]
fn go_client_of_the_page() {
    let world = World::new(100);
    let key = world.key("one", &[]);
    let gateway = world.start();
    let answer = run(&mut of_page("go", &world, &gateway, &key));
    assert_eq!(answer, gateway.search(&key, "some_username").body);
}
