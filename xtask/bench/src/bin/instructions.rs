//! Does one subject as often as asked: `instructions SUBJECT TIMES`.
//!
//! `cargo xtask bench --gates` runs it under callgrind.

use tgscan_bench::whole::server::{self, Server};
use tgscan_bench::{subject, whole};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == [server::SERVE] {
        return server::serve().map_err(|error| error.to_string());
    }
    // The peers' TLS takes the process's default.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let [name, times] = arguments.as_slice() else { return Err("needs SUBJECT and TIMES".into()) };
    let times: u32 = times.parse().map_err(|error| format!("{times}: {error}"))?;
    let server = name.starts_with("whole-").then(Server::start).transpose();
    let server = server.map_err(|error| format!("the server does not start: {error}"))?;
    let operation = match &server {
        Some(server) => whole::by_name(name, &server.url),
        None => subject::by_name(name),
    };
    let mut operation = operation.ok_or_else(|| format!("there is no subject {name}"))?;
    for _ in 0..times {
        operation();
    }
    Ok(())
}
