//! Asks how many credits are left, without a runtime.
//!
//! ```console
//! $ TGSCAN_API_KEY=… cargo run --package tgscan-example-blocking --example blocking
//! ```
//!
//! With `TGSCAN_BASE_URL` it asks another server, such as the mock.
#![expect(clippy::print_stdout, reason = "this is the program's answer")]

use std::env;
use std::error::Error;

use tgscan_core::blocking::call;
use tgscan_core::types::Balance;
use tgscan_core::{Api, ApiKey};
use tgscan_example_blocking::{Sender, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let key = ApiKey::live(env::var("TGSCAN_API_KEY")?)?;
    let api = match env::var("TGSCAN_BASE_URL") {
        Ok(url) => Api::with_base_url(&url, key)?,
        Err(_) => Api::new(key),
    };
    let sender = Sender::new(&Settings::default())?;
    let reply = call(&api, Balance {}, |request| sender.send(request))?;
    println!("{} credits are left", reply.answer.num_credits);
    Ok(())
}
