//! The location of a store: a file, or a PostgreSQL database.

use std::path::Path;
use std::sync::Arc;

use tgscan_core::store::Store;
use tgscan_store::FileStore;

use crate::exit::{Code, Failure};
use crate::show::escape;
use crate::{files, words};

/// The settings that distinguish a connection string from the name of a file.
const SETTINGS: [&str; 6] = ["host=", "hostaddr=", "dbname=", "user=", "password=", "sslmode="];

/// Returns whether a location is a URL or a connection string, valid or not. An invalid one must not be used as a file
/// name, because it may contain a password.
pub(crate) fn is_database(location: &str) -> bool {
    let mut words = location.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    location.contains("://") || words.any(|word| SETTINGS.iter().any(|setting| word.starts_with(setting)))
}

/// Returns a location whose relative path starts at this folder.
pub(crate) fn from_folder(folder: &Path, location: &str) -> Result<String, Failure> {
    if is_database(location) { Ok(location.to_owned()) } else { text(&folder.join(location)) }
}

/// Returns a path as text. Fails if it is not UTF-8: a changed path would name another store, and answers would be paid for
/// again.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = escape(&path.display().to_string());
        Failure::usage(format!("{shown}: the path is not UTF-8; rename the folder, or use another one"))
    })
}

/// Hides the user, the password and the settings in a URL or a connection string.
pub(crate) fn hidden(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return if is_database(value) { "host=…".to_owned() } else { value.to_owned() };
    };
    let (place, settings) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?…"));
    match place.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{settings}"),
        // The password contains a question mark.
        None if rest.contains('@') => format!("{scheme}://…"),
        None => format!("{scheme}://{place}{settings}"),
    }
}

/// Opens a store; creates the file if it does not exist. Errors begin with `name`.
pub(crate) async fn open(location: &str, name: &'static str) -> Result<Arc<dyn Store>, Failure> {
    if is_database(location) {
        return postgres(location, name).await;
    }
    let location = location.to_owned();
    // Opening a file blocks: it can read a large part of it.
    let opened = tokio::task::spawn_blocking(move || {
        let path = Path::new(&location);
        files::create_parent(path)
            .map_err(|error| failed(name, &format!("{}: {error}", escape(&location))))?;
        check_is_file(path, name)?;
        FileStore::open(location).map_err(|error| failed(name, &error))
    });
    Ok(Arc::new(opened.await.map_err(|_| failed(name, &"it cannot be opened"))??))
}

/// Refuses a path to something else than a file: opening a named pipe could wait forever.
pub(crate) fn check_is_file(path: &Path, name: &str) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(failed(name, &format!("{}: not a file", escape(&path.display().to_string()))))
        }
        _ => Ok(()),
    }
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, name: &str) -> Result<Arc<dyn Store>, Failure> {
    let connected = tgscan_store::PostgresStore::connect(url).await;
    Ok(Arc::new(connected.map_err(|error| failed(name, &error))?))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str, name: &str) -> Result<Arc<dyn Store>, Failure> {
    let remedy = "this program was built without PostgreSQL; build it with the feature `postgres`";
    Err(Failure::usage(format!("{name}: {remedy}")))
}

pub(crate) fn failed(name: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Other, format!("{name}: {}", words::translated(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_strings_are_no_files_and_are_hidden() {
        for (location, shown) in [
            ("postgres://u:pw@h/db", "postgres://…@h/db"),
            ("Postgres://u:pw@h/db", "Postgres://…@h/db"),
            (" postgres://u:pw@h/db", " postgres://…@h/db"),
            ("\"postgres://u:pw@h/db\"", "\"postgres://…@h/db\""),
            ("postgres://u:p@pw@h/db", "postgres://…@h/db"),
            ("postgres://u:p?pw@h/db", "postgres://…"),
            ("postgres://h/db?user=u&password=pw", "postgres://h/db?…"),
            ("--store=postgres://u:pw@h/db?a=pw", "--store=postgres://…@h/db?…"),
            ("mysql://u:pw@h/db", "mysql://…@h/db"),
            ("host=h user=u password=pw", "host=…"),
            ("'password=pw'", "host=…"),
        ] {
            assert!(is_database(location), "{location}");
            assert_eq!(hidden(location), shown);
        }
        for file in ["answers", "/a/b c/answers.tgscan", "C:\\answers", "a=b", "me@home"] {
            assert!(!is_database(file) && hidden(file) == file, "{file}");
        }
    }
}
