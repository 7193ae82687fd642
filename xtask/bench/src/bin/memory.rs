//! Prints how much memory decoding has in use at most, beyond the body, as JSON.
//!
//! The most that was ever in use is known of a whole process only. So each size has a process, which gets its body
//! handed in, because making one takes more memory than decoding it.

use std::alloc::System;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use cap::Cap;
use tgscan_bench::{body, subject};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(length) = std::env::args().nth(1) {
        println!("{}", decode(length.parse()?)?);
        return Ok(());
    }
    let mut bytes = BTreeMap::new();
    for groups in body::SIZES {
        let body = body::status_first(groups);
        bytes.insert(format!("body-{groups}"), body.len());
        bytes.insert(format!("decode-{groups}"), in_a_process(&body)?);
    }
    Ok(serde_json::to_writer(std::io::stdout(), &bytes)?)
}

fn in_a_process(body: &[u8]) -> Result<usize, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child =
        command.arg(body.len().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no way in")?.write_all(body)?;
    let printed = child.wait_with_output()?.stdout;
    Ok(std::str::from_utf8(&printed)?.trim().parse()?)
}

/// Decodes what stands on standard input.
fn decode(length: usize) -> Result<usize, Box<dyn Error>> {
    let mut body = vec![0; length];
    std::io::stdin().read_exact(&mut body)?;
    let mut decode = subject::decode(body.into());
    let before = ALLOCATOR.allocated();
    decode();
    let most = ALLOCATOR.max_allocated();
    // For a tiny body it can be the start of the program that took most.
    Ok(most.saturating_sub(before))
}
