//! Suite `footprint`: what a program takes to build that depends on one client and makes one call with it.
//!
//! Each is a package of its own in a folder of its own, with an empty target folder, built in release mode with
//! stripping. The time is that of the processors (user and system, of cargo and all that it starts), which other
//! programs disturb less than the time on the clock; each is built more than once, in turns.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::profile::{self, Shares};
use super::report::{Report, Table};

/// A program to build.
struct Program {
    name: &'static str,
    dependencies: &'static str,
    main: &'static str,
}

const TOKIO: &str = r#"tokio = { version = "=1.54.1", features = ["rt"] }"#;

/// What a call over reqwest is decoded into.
const STRUCTS: &str = r"#[derive(serde::Deserialize)]
struct Envelope { status: String, result: Answer }
#[derive(serde::Deserialize)]
struct Answer { groups: Vec<Group> }
#[derive(serde::Deserialize)]
struct Group { id: i64, username: Option<String>, title: String, date_updated: String }";

/// A call over reqwest.
const CALL: &str = r#"    let answer: Envelope = runtime.block_on(async {
        let call = client.post("https://api.tgdev.io/tgscan/v1/search").header("Api-Key", std::env::var("KEY").unwrap());
        call.form(&[("query", "some_username")]).send().await?.json().await
    })?;
    let group = answer.result.groups.first();
    println!("{} {:?}", answer.status, group.map(|g| (g.id, &g.username, &g.title, &g.date_updated)));"#;

/// The SDK's own come first: the transport is what all are compared with.
const PROGRAMS: [Program; 7] = [
    Program {
        name: "tgscan-transport-hyper",
        dependencies: r#"tgscan-core = { path = "ROOT/tgscan-core" }
tgscan-transport-hyper = { path = "ROOT/tgscan-transport-hyper" }
TOKIO"#,
        main: r#"use tgscan_core::{ApiKey, types::UserQuery};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = tgscan_transport_hyper::client(ApiKey::live(std::env::var("KEY")?)?)?;
    let reply = runtime.block_on(client.search("some_username".parse::<UserQuery>()?))?;
    println!("{}", reply.answer.groups.len());
    Ok(())
}
"#,
    },
    Program {
        name: "tgscan-core alone",
        dependencies: r#"tgscan-core = { path = "ROOT/tgscan-core" }
bytes = "1"
http = "1""#,
        main: r#"use tgscan_core::{Api, ApiKey, types::Search};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api = Api::new(ApiKey::live(std::env::var("KEY")?)?);
    let search = Search { query: "some_username".parse()? };
    println!("{}", api.request(&search).uri());
    let body = bytes::Bytes::from(std::env::var("BODY")?);
    println!("{:?}", api.parse(&search, http::Response::new(body))?);
    Ok(())
}
"#,
    },
    Program {
        name: "reqwest as it comes",
        dependencies: r#"reqwest = { version = "=0.13.5", features = ["form", "json"] }
serde = { version = "=1.0.229", features = ["derive"] }
TOKIO"#,
        main: r"STRUCTS
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::new();
CALL
    Ok(())
}
",
    },
    Program {
        name: "reqwest, least",
        // What the SDK's transport has too: ring, Mozilla's roots, HTTP/2; and forms and JSON.
        dependencies: r#"reqwest = { version = "=0.13.5", default-features = false, features = ["form", "http2", "json", "rustls-no-provider"] }
rustls = { version = "=0.23.46", default-features = false, features = ["ring", "std", "tls12"] }
webpki-roots = "=1.0.10"
serde = { version = "=1.0.229", features = ["derive"] }
TOKIO"#,
        main: r"use std::sync::Arc;
STRUCTS
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build()?;
CALL
    Ok(())
}
",
    },
    Program {
        name: "ureq",
        dependencies: r#"ureq = { version = "=3.5.2", features = ["json"] }
serde_json = "=1.0.154""#,
        main: r#"fn main() -> Result<(), Box<dyn std::error::Error>> {
    let call = ureq::post("https://api.tgdev.io/tgscan/v1/search").header("Api-Key", std::env::var("KEY")?);
    let answer: serde_json::Value = call.send_form([("query", "some_username")])?.body_mut().read_json()?;
    println!("{}", answer["status"]);
    Ok(())
}
"#,
    },
    Program {
        name: "twitch_api",
        dependencies: r#"twitch_api = { version = "=0.8.0", features = ["client", "helix", "reqwest", "twitch_oauth2"] }
reqwest = "=0.13.5"
TOKIO"#,
        main: r#"use twitch_api::{TwitchClient, twitch_oauth2::UserToken};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client: TwitchClient<reqwest::Client> = TwitchClient::default();
    runtime.block_on(async {
        let token = UserToken::from_token(&client, std::env::var("KEY").unwrap().into()).await?;
        let channel = client.helix.get_channel_from_login("someone", &token).await?;
        println!("{channel:?}");
        Ok(())
    })
}
"#,
    },
    Program {
        name: "octocrab",
        dependencies: r#"octocrab = "=0.54.9"
TOKIO"#,
        main: r#"fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = octocrab::Octocrab::builder().personal_token(std::env::var("KEY").unwrap()).build()?;
        println!("{:?}", client.repos("a", "b").get().await?.name);
        Ok(())
    })
}
"#,
    },
];

/// How often each is built.
const ROUNDS: u32 = 2;

/// What a program took.
struct Taken {
    crates: usize,
    seconds: f64,
    bytes: f64,
    /// By crate, each of both.
    seconds_by_crate: Shares,
    megabytes_by_crate: Shares,
}

/// Builds all of them.
///
/// # Errors
/// If one cannot be built: which, and what cargo says.
pub(super) fn run(root: &Path) -> Result<Report, String> {
    let folder = std::env::temp_dir().join(format!("tgscan-footprint-{}", std::process::id()));
    let taken = build_all(root, &folder);
    // Several hundred megabytes, whatever became of them.
    let _ = fs::remove_dir_all(&folder);
    let taken = taken?;
    let mut table =
        Table::new("a program that makes one call, built in release mode", &["CPU seconds", "crates", "MB"]);
    for (program, taken) in PROGRAMS.iter().zip(&taken) {
        let figures =
            [taken.seconds, f64::from(u32::try_from(taken.crates).unwrap_or(u32::MAX)), taken.bytes / 1e6];
        table.add(program.name, figures.map(Some).to_vec());
    }
    let [ours, core, reqwest_as_it_comes, reqwest, ..] = taken.as_slice() else {
        return Err("programs are missing".into());
    };
    let names = ["this SDK", "reqwest, least"];
    let time = profile::beside(
        "building it, each crate by the clock, in seconds",
        names,
        [&ours.seconds_by_crate, &reqwest.seconds_by_crate],
    );
    let size = profile::beside(
        "functions and constants in the binary, in MB",
        names,
        [&ours.megabytes_by_crate, &reqwest.megabytes_by_crate],
    );
    let mut report = Report::new(vec![table, time, size]);
    let count = |taken: &Taken| f64::from(u32::try_from(taken.crates).unwrap_or(u32::MAX));
    report.at_most("crates of a default dependent, the SDK's own included", count(ours), 66.0);
    report.at_most("crates of a dependent of tgscan-core alone", count(core), 22.0);
    report.at_most(
        "CPU time of its release build, to reqwest's as it comes",
        ours.seconds / reqwest_as_it_comes.seconds,
        0.6,
    );
    report.at_most(
        "CPU time of its release build, to that of reqwest with the same TLS and no more than is needed",
        ours.seconds / reqwest.seconds,
        0.6,
    );
    report.at_most("its stripped binary, in MB", ours.bytes / 1e6, 3.2);
    Ok(report)
}

/// Each once per round; the round counts in which it took least, because what disturbs only ever adds.
fn build_all(root: &Path, folder: &Path) -> Result<Vec<Taken>, String> {
    let mut taken: Vec<Taken> = Vec::new();
    for round in 1..=ROUNDS {
        for (number, program) in PROGRAMS.iter().enumerate() {
            let (name, count) = (program.name, PROGRAMS.len());
            eprintln!("  round {round}, [{}/{count}] building a dependent of {name} …", number + 1);
            let folder = folder.join(number.to_string());
            let built = build(root, &folder, program)?;
            fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            let Taken { crates, seconds, bytes, .. } = built;
            eprintln!("        {crates} crates, {seconds:.1} s of CPU, {:.2} MB", bytes / 1e6);
            match taken.get_mut(number) {
                None => taken.push(built),
                Some(before) if seconds < before.seconds => *before = built,
                Some(_) => {}
            }
        }
    }
    Ok(taken)
}

fn build(root: &Path, folder: &Path, program: &Program) -> Result<Taken, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", program.name);
    fs::create_dir_all(folder.join("src")).map_err(wrong)?;
    let dependencies =
        program.dependencies.replace("TOKIO", TOKIO).replace("ROOT", &root.display().to_string());
    let manifest = format!(
        "[package]\nname = \"footprint\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\n{dependencies}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).map_err(wrong)?;
    let main = program.main.replace("STRUCTS", STRUCTS).replace("CALL", CALL);
    fs::write(folder.join("src/main.rs"), main).map_err(wrong)?;
    cargo(folder, &["fetch", "--quiet"])?;
    let tree = ["tree", "--edges=normal,build", "--no-dedupe", "--prefix=none", "--format={p}"];
    let tree = cargo(folder, &[&tree[..], &["--target=x86_64-unknown-linux-gnu"]].concat())?;
    let crates: BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    let before = cpu_of_children()?;
    cargo(folder, &["build", "--quiet", "--release", "--offline", "--jobs=2", "--timings"])?;
    let seconds = cpu_of_children()? - before;
    let seconds_by_crate = profile::seconds(&folder.join("target"))?;
    let binary: PathBuf =
        folder.join("target/release").join(format!("footprint{}", std::env::consts::EXE_SUFFIX));
    let megabytes_by_crate =
        profile::bytes(&binary)?.into_iter().map(|(name, bytes)| (name, bytes / 1e6)).collect();
    // What `strip = true` in the profile would do, which leaves nothing to attribute.
    let stripped = Command::new("strip").arg(&binary).status();
    if !stripped.is_ok_and(|status| status.success()) {
        return Err(format!("{}: strip of binutils failed", program.name));
    }
    let bytes = fs::metadata(binary).map_err(wrong)?.len();
    // The program itself is no crate that anybody brings along.
    Ok(Taken {
        crates: crates.len() - 1,
        seconds,
        bytes: f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)),
        seconds_by_crate,
        megabytes_by_crate,
    })
}

/// What cargo prints.
fn cargo(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    let output = command.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo {}` failed: {why}", arguments.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Seconds of processor that all ended children of this process took, theirs included. Linux only.
fn cpu_of_children() -> Result<f64, String> {
    let stat =
        fs::read_to_string("/proc/self/stat").map_err(|error| format!("no times of processes: {error}"))?;
    // The name in parentheses can hold anything, so fields are counted after it: cutime and cstime are 16 and 17.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    // Linux counts these times in hundredths of a second on every platform that Rust's standard library supports.
    Ok((ticks(13) + ticks(14)) / 100.0)
}
