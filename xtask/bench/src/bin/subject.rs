//! Repeats one operation, for callgrind: `subject NAME TIMES URL`. With `serve`, runs the server of whole calls; with
//! `hold COUNT` (feature `peers`), runs one that answers only when COUNT requests are in flight.

use tgscan_bench::{install_crypto_provider, operation, server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => server::serve()?,
        #[cfg(feature = "peers")]
        ["hold", count] => tgscan_bench::peers::servers::hold(count.parse()?),
        [name, times, url] => {
            install_crypto_provider();
            let mut run = operation(name, url).ok_or_else(|| format!("unknown operation {name}"))?;
            (0..times.parse::<u32>()?).for_each(|_| run());
        }
        _ => return Err("expected NAME TIMES URL".into()),
    }
    Ok(())
}
