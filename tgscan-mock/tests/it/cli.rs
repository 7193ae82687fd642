//! The binary as a process: its answers, output and refusals.

use std::net::TcpListener;

use bytes::Bytes;
use http::Request;
use tgscan_mock::Mock;
use tgscan_mock::data::Profile;

use crate::serve::{Served, command, folder};
use crate::support::{answer, control, post, send, seven_urls};

const ANY_PORT: [&str; 2] = ["--address", "127.0.0.1:0"];

fn sized(mut request: Request<Bytes>) -> Request<Bytes> {
    let length = request.body().len();
    request.headers_mut().insert("content-length", length.into());
    request
}

/// Runs the binary until it exits. It must refuse to start: status 2, one line on stderr, no output on stdout.
fn refused(arguments: &[&str]) -> String {
    let output = command().args(arguments).output().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{says}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(says.lines().count(), 1, "{says}");
    says
}

#[test]
fn serves_the_answers_of_the_mock_in_process() {
    let server = Served::start(&[&ANY_PORT[..], &["--seed", "7", "--profile", "undocumented"]].concat());
    let mock = Mock::builder().seed(7).profile(Profile::Undocumented).build().unwrap();
    for request in seven_urls(&mock) {
        assert_eq!(send(server.address(), &request).1, answer(&mock, &request).body());
    }
}

#[test]
fn flags_override_the_config_file() {
    let folder = folder();
    let (config, port_file) = (folder.join("mock.toml"), folder.join("port"));
    let text = format!(
        "address = \"127.0.0.1:0\"\nseed = 3\ncredits = 50\nprofile = \"typical\"\nrepeat = \"varied\"\n\
         error_status = \"always_ok\"\nlive_keys = [\"one\", \"two\"]\ntest_keys = [\"three\"]\n\
         revoked_keys = [\"four\"]\nport_file = {:?}\n\n\
         [costs.search]\nusual = 2\nqueries = {{ expensive = 9, 77 = 5 }}\n\n\
         [[faults]]\nkind = \"answer\"\n\n[[faults]]\nmethod = \"search\"\nkind = \"error_envelope\"\nstatus = 500\n",
        port_file.display()
    );
    std::fs::write(&config, text).unwrap();
    let server = Served::start(&["--config", config.to_str().unwrap(), "--seed", "4"]);
    let port = std::fs::read_to_string(port_file).unwrap();
    assert_eq!(port, format!("{}\n", server.address().port()));
    let ask = |key: &str, body| send(server.address(), &sized(post("/search", key, body))).0;
    assert_eq!(ask("one", "query=alice"), "HTTP/1.1 500 Internal Server Error");
    for (key, body) in
        [("one", "query=alice"), ("two", "query=expensive"), ("two", "query=77"), ("four", "query=alice")]
    {
        assert_eq!(ask(key, body), "HTTP/1.1 200 OK");
    }
    let (_, state) = control(server.address(), "GET", "state", "");
    assert_eq!((state["seed"].as_u64(), state["spent"].as_u64()), (Some(4), Some(16)));
    assert_eq!((state["faults_left"].as_u64(), state["credits"].as_i64()), (Some(0), Some(34)));
    let keys = ["num_live_keys", "num_test_keys", "num_revoked_keys"].map(|name| state[name].as_u64());
    assert_eq!(keys, [Some(2), Some(1), Some(1)]);
}

#[test]
fn the_example_file_is_valid() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mock.toml");
    let server = Served::start(&[&["--config", example], &ANY_PORT[..]].concat());
    assert!(server.url.starts_with("https://127.0.0.1:"));
}

#[test]
fn every_setting_of_the_file_has_a_flag() {
    let example = include_str!("../../examples/mock.toml");
    // Including those that are commented out, but not costs and faults, which are tables.
    let keys = example.lines().take_while(|line| !line.starts_with('[')).filter_map(|line| {
        let (key, _) = line.trim_start_matches("# ").split_once(" = ")?;
        Some(key.trim())
    });
    let help = command().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut count = 0;
    for key in keys {
        // A list in the file is a repeated flag.
        let flag = format!("--{}", key.trim_end_matches('s').replace('_', "-"));
        assert!(help.contains(&flag), "{flag} is not in {help}");
        count += 1;
    }
    assert_eq!(count, 23);
}

#[test]
fn the_status_of_errors_can_be_set_beside_the_manner_of_the_service() {
    let flags = ["--like-service", "--error-status", "by_cause"];
    let server = Served::start(&[&ANY_PORT[..], &flags].concat());
    let wrong = sized(post("/search", "wrong", "query=alice"));
    assert_eq!(send(server.address(), &wrong).0, "HTTP/1.1 401 Unauthorized");
}

#[test]
fn flags_set_repeat_status_and_compression() {
    let flags = ["--repeat", "varied", "--error-status", "always_ok", "--gzip"];
    let server = Served::start(&[&ANY_PORT[..], &flags].concat());
    let search = sized(post("/search", Mock::LIVE_KEY, "query=alice"));
    assert_ne!(send(server.address(), &search).1, send(server.address(), &search).1);
    assert_eq!(send(server.address(), &sized(post("/search", "wrong", "query=alice"))).0, "HTTP/1.1 200 OK");
    let mut gzip = search;
    gzip.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    assert!(send(server.address(), &gzip).1.starts_with(&[0x1f, 0x8b]));
}

#[test]
fn answers_like_the_service_that_a_probe_file_describes() {
    let folder = folder();
    let file = folder.join("probe.toml");
    let text = "version = 1\n\
        [[probes]]\nname = \"wrong_key\"\nstatus = 200\nbody = \"error\"\nmessage = \"wrong token\"\n\
        [[probes]]\nname = \"get\"\nstatus = 200\nbody = \"ok\"\n\
        [[probes]]\nname = \"gzip\"\nstatus = 200\nbody = \"compressed\"\ncontent_encoding = \"gzip\"\n";
    std::fs::write(&file, text).unwrap();
    let like = ["--like", file.to_str().unwrap()];
    let config = folder.join("mock.toml");
    // A field that the documentation lacks.
    std::fs::write(&config, "[[faults]]\nkind = \"field_missing\"\nmethod = \"balance\"\nfield = \"/extra\"")
        .unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let server = Served::start(&[&ANY_PORT[..], &config, &like].concat());
    let (status, body) = send(server.address(), &sized(post("/search", "wrong", "query=alice")));
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(&*body, br#"{"status":"error","result":{"message":"wrong token"}}"#);
    let mut gzip = sized(post("/search", Mock::LIVE_KEY, "query=alice"));
    gzip.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    assert!(send(server.address(), &gzip).1.starts_with(&[0x1f, 0x8b]));
    #[cfg(unix)]
    assert!(server.terminate().2.contains("the service accepts a request with GET; the mock refuses it"));
    for (text, says) in [
        ("version = 2\n", "version 2 is unknown"),
        ("version = 1\n[[probes]]\nname = \"get\"\nstatus = 99\n", "use 200 to 599"),
        ("version =\n", "probe.toml"),
    ] {
        std::fs::write(&file, text).unwrap();
        assert!(refused(&[&["serve"], &like[..]].concat()).contains(says), "{says}");
    }
    assert!(refused(&["serve", "--like", "no/such/file"]).contains("cannot read no/such/file"));
}

#[cfg(unix)]
#[test]
fn log_has_no_secrets_and_sigterm_exits_cleanly() {
    let server = Served::start(&ANY_PORT);
    let secret = "some_secret_username";
    for (path, body) in [
        ("/search", "query=some_secret_username"),
        ("/test/search", "query=some_secret_username"),
        ("/some_secret_username", ""),
        ("/search", "some_secret_username"),
    ] {
        send(server.address(), &sized(post(path, Mock::LIVE_KEY, body)));
    }
    control(server.address(), "GET", "requests", "");
    let address = server.address();
    let (status, out, log) = server.terminate();
    assert_eq!((status, out.as_str()), (Some(0), "stopped\n"));
    let (first, log) = log.split_once('\n').unwrap();
    assert!(first.contains(&format!("open http://{address}/_mock/ in a browser")), "{first}");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        lines,
        [
            "tgscan-mock: POST /tgscan/v1/search: 200, charged 1",
            "tgscan-mock: POST /tgscan/v1/test/search: 403, charged 0",
            "tgscan-mock: POST (unknown path): 404, charged 0",
            "tgscan-mock: POST /tgscan/v1/search: 400, charged 0",
        ]
    );
    assert!(!log.contains(secret) && !log.contains(Mock::LIVE_KEY));
    TcpListener::bind(address).unwrap();
}

/// Sends far more requests than a pipe and the log can hold lines.
#[cfg(unix)]
#[test]
fn an_unread_log_delays_no_answer_and_no_stop() {
    let server = Served::start(&ANY_PORT);
    let request = sized(post("/balance", Mock::LIVE_KEY, ""));
    for _ in 0..4000 {
        assert_eq!(send(server.address(), &request).0, "HTTP/1.1 200 OK");
    }
    assert!(server.terminates());
}

#[test]
fn reset_restores_the_settings_at_the_start() {
    let config = folder().join("mock.toml");
    std::fs::write(&config, "credits = 5\n[[faults]]\nkind = \"close\"\ntimes = 2\n").unwrap();
    let server = Served::start(&[&["--config", config.to_str().unwrap()], &ANY_PORT[..]].concat());
    control(server.address(), "DELETE", "faults", "");
    control(server.address(), "PUT", "state", r#"{"credits": 1}"#);
    let (_, state) = control(server.address(), "POST", "reset", "");
    assert_eq!((state["credits"].as_i64(), state["faults_left"].as_i64()), (Some(5), Some(2)));
}

#[test]
fn the_port_file_exists_while_the_server_runs() {
    let folder = folder();
    let file = folder.join("port");
    std::fs::write(&file, "1\n").unwrap();
    let path = file.display().to_string();
    let server = Served::start(&["--address", "localhost:0", "--port-file", &path]);
    let port = std::fs::read_to_string(&file).unwrap();
    assert_eq!(port.trim(), server.address().port().to_string());
    server.terminate();
    assert!(!file.exists());
}

#[test]
fn a_remote_address_warns_and_flags_set_the_world() {
    let flags =
        ["--address", "0.0.0.0:0", "--expose", "--quiet", "--unknown-percent", "100", "--unknown", "error"];
    let server = Served::start(&flags);
    let address = (std::net::Ipv4Addr::LOCALHOST, server.address().port()).into();
    assert_eq!(
        send(address, &sized(post("/search", Mock::LIVE_KEY, "query=alice"))).0,
        "HTTP/1.1 404 Not Found"
    );
    let (_, _, log) = server.terminate();
    assert!(log.contains("clients that reach this address can use the mock"), "{log}");
    assert!(refused(&["serve", "--today", "yesterday"]).contains("use a date from 2016-01-01 on"));
    assert!(refused(&["serve", "--address", "nowhere"]).contains("use one like 127.0.0.1:8089"));
}

#[cfg(unix)]
#[test]
fn quiet_logs_nothing() {
    let server = Served::start(&[&ANY_PORT[..], &["--quiet"]].concat());
    send(server.address(), &sized(post("/balance", Mock::LIVE_KEY, "")));
    assert_eq!(server.terminate(), (Some(0), "stopped\n".into(), String::new()));
}

#[test]
fn sample_prints_the_answer_of_a_server_with_that_seed() {
    let sample = |arguments: &[&str]| {
        let output = command().arg("sample").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let mock = Mock::builder().seed(7).build().unwrap();
    let line = |path, key, body| [&answer(&mock, &post(path, key, body)).body()[..], b"\n"].concat();
    let search = sample(&["search", "some_username", "--seed", "7"]);
    assert_eq!(search, line("/search", Mock::LIVE_KEY, "query=some_username"));
    assert_ne!(search, sample(&["search", "some_username", "--seed", "8"]));
    let groups = sample(&["similar_groups", "alice,bobby", "--seed", "7", "--test"]);
    assert_eq!(groups, line("/test/chat/similar", Mock::TEST_KEY, "query=alice%2Cbobby"));
    assert!(sample(&["balance"]).starts_with(br#"{"status":"ok""#));
    for (arguments, says) in [
        (["sample", "serach", "a"].as_slice(), "unknown method \"serach\"; the methods are search, balance"),
        (&["sample", "search"], "the required argument `query` is missing"),
        (&["sample", "search", "not a name"], "a space"),
        (&["sample", "balance", "a"], "this method takes none"),
        (&["sample", "balance", "--test"], "balance has no test method"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn an_invalid_config_prints_one_line_and_does_not_start() {
    let folder = folder();
    let (config, port_file) = (folder.join("mock.toml"), folder.join("port"));
    for (text, says) in [
        ("sede = 7", "line 1: unknown field `sede`"),
        ("seed = 1\ncredits = \"many\"", "line 2: invalid type: string \"many\""),
        ("seed = -1", "line 1: invalid value"),
        ("seed = 1\nseed = 2", "line 2: duplicate key"),
        ("seed =", "line 1: "),
        ("credits = -5", "the credits are -5; use 0 or more"),
        ("profile = \"odd\"", "unknown variant `odd`"),
        ("address = \"here\"", "use one like 127.0.0.1:8089 or localhost:0"),
        ("address = \"0.0.0.0:0\"", "0.0.0.0 is not a loopback address"),
        ("live_keys = [\"a\"]\ntest_keys = [\"a\"]", "API key number 2 is given twice"),
        ("live_keys = [\"\"]", "API key"),
        ("sans = [\"ключ.example\"]", "\"ключ.example\" is not a host name or IP address"),
        (
            "sans = [\"*.tgdev.io\", \"::1\", \"not a name\"]",
            "\"not a name\" is not a host name or IP address",
        ),
        ("latency_ms = 3600001", "the latency is 3600001 ms; use 0 to 3600000"),
        ("[costs.serach]\nusual = 1", "costs.serach: the mock does not answer `serach`; use one of search"),
        ("[costs.balance]\nusual = 1", "costs.balance: this method is free"),
        ("[costs.search]\nusaul = 1", "line 2: unknown field `usaul`"),
        ("[costs.search]\nusual = -1", "line 2: invalid value"),
        ("[costs.search.queries]\n\"@a\" = 1", "costs.search.queries: "),
        ("[[faults]]\nkind = \"explode\"", "unknown variant `explode`"),
        (
            "[[faults]]\nkind = \"slow_body\"\n\n[[faults]]\nkind = \"explode\"",
            "line 4: unknown variant `explode`",
        ),
        ("[[faults]]\nkind = \"reset\"\nat = 1", "unknown field `at`"),
        (
            "[[faults]]\nkind = \"reset\"\nmethod = \"serach\"",
            "the mock does not answer `serach`; use one of search",
        ),
        (
            "[[faults]]\nkind = \"close\"\n\n[[faults]]\nkind = \"html_page\"\nstatus = 204",
            "line 4: `status` is 204, which allows no body",
        ),
        ("[[faults]]\nkind = \"redirect\"\nstatus = 200", "`status` is 200, which is not a redirect"),
        ("[[faults]]\nkind = \"field_missing\"\nfield = \"/no\"", "`field` is \"/no\"; use a JSON pointer"),
    ] {
        std::fs::write(&config, text).unwrap();
        let port_file = port_file.to_str().unwrap();
        let address = if text.starts_with("address") { &[][..] } else { &ANY_PORT[..] };
        let arguments =
            [&["serve", "--config", config.to_str().unwrap(), "--port-file", port_file][..], address]
                .concat();
        let error = refused(&arguments);
        assert!(error.contains(says), "{text:?}: {error}");
    }
    assert!(!port_file.exists());
}

#[test]
fn unusable_paths_and_ports_print_one_line() {
    let folder = folder();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let error = refused(&["serve", "--config", &path("missing.toml")]);
    assert!(error.contains("cannot read") && error.contains("missing.toml"), "{error}");
    let error = refused(&["serve", "--config", folder.to_str().unwrap()]);
    assert!(error.contains("cannot read"), "{error}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error =
        refused(&["serve", "--address", &address, "--port-file", &path("port"), "--ca", &path("ca.pem")]);
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");

    let nowhere = path("missing/ca.pem");
    let error =
        refused(&[&["serve"], &ANY_PORT[..], &["--ca", &nowhere, "--port-file", &path("port")]].concat());
    assert!(error.contains("cannot write") && error.contains("ca.pem"), "{error}");
    let nowhere = path("missing/port");
    let error =
        refused(&[&["serve"], &ANY_PORT[..], &["--ca", &path("ca.pem"), "--port-file", &nowhere]].concat());
    assert!(error.contains("cannot write"), "{error}");
    let error = refused(&[&["serve"], &ANY_PORT[..], &["--credits", "-5"]].concat());
    assert!(error.contains("the credits are -5"), "{error}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "a failed start leaves no files");
}
