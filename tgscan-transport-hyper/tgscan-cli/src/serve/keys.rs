//! Local keys: 128 random bits each, of which the configuration has the hash.
//!
//! A hash without salt or stretching suffices, because the keys are random: there is no list of likely ones to try.

use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::args::AddKey;
use super::config::{self, Config};
use crate::exit::{Code, Failure};
use crate::print;

const PREFIX: &str = "sha256:";

/// The SHA-256 of a local key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyHash([u8; 32]);

impl KeyHash {
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(hash)
    }

    /// Returns the index of this hash among others. Takes the same time wherever it is, and if it is not there.
    pub(crate) fn find<'a>(&self, all: impl Iterator<Item = &'a Self>) -> Option<usize> {
        let mut found = u64::MAX;
        for (at, other) in (0..).zip(all) {
            found.conditional_assign(&at, self.0.ct_eq(&other.0));
        }
        let is_found: Choice = !found.ct_eq(&u64::MAX);
        bool::from(is_found).then(|| usize::try_from(found).ok()).flatten()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = text.strip_prefix(PREFIX).and_then(read_hex);
        hash.map(Self).ok_or_else(|| D::Error::custom("expected `sha256:` and 64 hex digits"))
    }
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<_> = text.bytes().map(|byte| char::from(byte).to_digit(16)).collect::<Option<_>>()?;
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
    }
    Some(bytes)
}

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
    print::bytes(format!("{key}\n").as_bytes())?;
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

    #[test]
    fn keys_are_not_repeated() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
