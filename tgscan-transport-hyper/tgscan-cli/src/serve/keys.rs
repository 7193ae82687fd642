//! Local keys: 128 random bits each. The configuration has their hashes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use super::args::AddKey;
use super::config::{self, Config};
use super::key_hash::KeyHash;
use crate::exit::{Code, Failure};
use crate::print;

/// Creates a key, appends its hash to the configuration file, and prints the key.
pub(crate) fn add(path: &Path, command: &AddKey) -> Result<Code, Failure> {
    config::check_name(&command.name).map_err(Failure::usage)?;
    command.methods.iter().try_for_each(|method| config::check_method(method)).map_err(Failure::usage)?;
    let config = Config::read(path)?;
    if config.keys.iter().any(|key| key.name == command.name) {
        return Err(Failure::usage(format!(
            "{}: there is a key {:?}; to replace it, remove its `[[keys]]` table first",
            path.display(),
            command.name
        )));
    }
    let key = generate()?;
    let table = table(command, &KeyHash::of(key.as_bytes()));
    let failed = |error: std::io::Error| {
        Failure::new(Code::Other, format!("{} cannot be changed: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let separator = if text.is_empty() || text.ends_with('\n') { "\n" } else { "\n\n" };
    Config::parse(&format!("{text}{separator}{table}"), path.parent().unwrap_or(Path::new("")))
        .map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))?;
    // Appended in place, so that the file keeps its comments, its mode and its links.
    let mut file = std::fs::OpenOptions::new().append(true).open(path).map_err(failed)?;
    file.write_all(format!("{separator}{table}").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    print::bytes(format!("{key}\n").as_bytes()).map_err(|failure| {
        let reason = if failure.is_quiet() { "its reader has gone".to_owned() } else { failure.to_string() };
        Failure::new(
            Code::Other,
            format!(
                "the key could not be printed ({reason}), and is lost: remove the `[[keys]]` table of {:?} from {}, and add it again",
                command.name,
                path.display()
            ),
        )
    })?;
    print::note("this key is not shown again; a running gateway takes it after SIGHUP");
    Ok(Code::Done)
}

/// A `[[keys]]` table. Names are checked, and need no quoting.
fn table(command: &AddKey, hash: &KeyHash) -> String {
    let mut table = format!("[[keys]]\nname = \"{}\"\nhash = \"{hash}\"\n", command.name);
    if command.test {
        table.push_str("kind = \"test\"\n");
    }
    if !command.methods.is_empty() {
        let _ = writeln!(table, "methods = [\"{}\"]", command.methods.join("\", \""));
    }
    for (name, credits) in
        [("total", command.total), ("per_day", command.per_day), ("per_month", command.per_month)]
    {
        if let Some(credits) = credits {
            let _ = writeln!(table, "{name} = {credits}");
        }
    }
    table
}

/// 32 hex digits, as the service's own keys in the field have.
fn generate() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    let random = SystemRandom::new().fill(&mut bytes);
    random.map_err(|_| Failure::new(Code::Other, "the system has no random numbers"))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn finds_a_key_by_its_hash_alone() {
        let hashes: Vec<_> = ["a", "b", "c"].iter().map(|key| KeyHash::of(key.as_bytes())).collect();
        assert_eq!(KeyHash::of(b"c").find(hashes.iter()), Some(2));
        assert_eq!(KeyHash::of(b"a").find(hashes.iter()), Some(0));
        assert_eq!(KeyHash::of(b"d").find(hashes.iter()), None);
        assert_eq!(KeyHash::of(b"d").find([].iter()), None);
    }

    #[test]
    fn hashes_read_back() {
        #[derive(Deserialize)]
        struct Table {
            hash: KeyHash,
        }
        let hash = KeyHash::of(b"key");
        let read = toml::from_str::<Table>(&format!("hash = \"{hash}\"")).unwrap();
        assert_eq!(read.hash, hash);
        assert_eq!(format!("{hash:?}"), "KeyHash(…)");
        for wrong in ["", "sha256:", "sha256:zz", &format!("{hash}00"), &"ä".repeat(32)] {
            assert!(toml::from_str::<Table>(&format!("hash = \"{wrong}\"")).is_err(), "{wrong}");
        }
    }
}
