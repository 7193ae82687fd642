//! Searches for an account without a runtime: `TGSCAN_API_KEY=… cargo run --package tgscan-example-blocking --example
//! blocking some_username`. `TGSCAN_BASE_URL` sets another server, e.g. the mock.
#![expect(clippy::print_stdout, reason = "this is the program's answer")]
use std::env::{args, var};

use tgscan_core::{Api, ApiKey, blocking::call, types::Search};
use tgscan_example_blocking::{Settings, send};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let query = args().nth(1).ok_or("whom?")?.parse()?;
    let key = ApiKey::live(var("TGSCAN_API_KEY")?)?;
    let url = var("TGSCAN_BASE_URL").unwrap_or("https://api.tgdev.io".into());
    let (api, agent) = (Api::with_base_url(&url, key)?, Settings::default().agent()?);
    let reply = call(&api, Search { query }, |request| send(&agent, 1 << 24, request))?;
    for group in reply.answer.newest_first() {
        println!("{} {} {:?}", group.date_updated, group.title, group.link());
    }
    Ok(())
}
