//! Does one subject as often as asked: `instructions SUBJECT TIMES`.
//!
//! `cargo xtask bench --gates` runs it under callgrind.

use tgscan_bench::subject;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = arguments.as_slice() else { return Err("needs SUBJECT and TIMES".into()) };
    let times: u32 = times.parse().map_err(|error| format!("{times}: {error}"))?;
    let mut operation = subject::by_name(name).ok_or_else(|| format!("there is no subject {name}"))?;
    for _ in 0..times {
        operation();
    }
    Ok(())
}
