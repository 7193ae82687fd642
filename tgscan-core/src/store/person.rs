//! Finds a person in questions and answers, so that everything about that person can be erased.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use tgscan_types::{Envelope, SearchAnswer, UserQuery};

use super::StoredCall;

/// A person to be erased: every name and id that answers connect, current and former.
///
/// Go through the calls until [`learn`](Self::learn) learns nothing more, then remove those that
/// [`mentions`](Self::mentions) finds.
#[derive(Clone)]
pub struct Person {
    /// Ids, and usernames in lower case.
    keys: BTreeSet<String>,
}

impl Person {
    /// A person of whom one name or id is known.
    pub fn new(query: &UserQuery) -> Self {
        Self { keys: BTreeSet::from([folded(&query.as_str())]) }
    }

    /// Learns the other names and ids of the person from a call that mentions them. Returns whether there were new ones.
    pub fn learn(&mut self, call: &StoredCall) -> bool {
        let found = keys_of(call);
        if found.is_disjoint(&self.keys) {
            return false;
        }
        let before = self.keys.len();
        self.keys.extend(found);
        self.keys.len() > before
    }

    /// Returns whether a call asks about the person or its answer tells about the person.
    pub fn mentions(&self, call: &StoredCall) -> bool {
        !keys_of(call).is_disjoint(&self.keys)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("keys", &self.keys.len()).finish()
    }
}

fn folded(name: &str) -> String {
    name.trim().trim_start_matches('@').to_ascii_lowercase()
}

/// Every name and id of the person that a call is about.
fn keys_of(call: &StoredCall) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    if let Some(question) = &call.question {
        // Groups are compared by `similar_groups`; they are no persons.
        if question.method != "similar_groups" {
            for (name, value) in form_urlencoded::parse(question.form.as_bytes()) {
                if name == "query" {
                    keys.insert(folded(&value));
                }
            }
        }
    }
    let Some(answer) = &call.answer else { return keys };
    // As the schema reads it; and where it does not read, by the names of its fields, wherever they stand.
    match serde_json::from_slice::<Envelope<SearchAnswer>>(&answer.body) {
        Ok(Envelope::Ok(answer)) => {
            if let Some(user) = answer.user.filter(|user| user.id != 0) {
                keys.insert(user.id.to_string());
                keys.extend(user.username.iter().map(|name| folded(name)));
            }
            keys.extend(answer.username_history.iter().map(|entry| folded(&entry.username)));
            keys.extend(answer.id_history.iter().map(|entry| entry.id.to_string()));
        }
        Ok(Envelope::Error(_)) => {}
        Err(_) => {
            if let Ok(value) = serde_json::from_slice::<Value>(&answer.body) {
                for part in ["user", "username_history", "id_history"] {
                    collect(&value["result"][part], &mut keys);
                }
            }
        }
    }
    keys.remove("");
    keys
}

/// The values of all fields `id` and `username` below a value.
fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "username" || name == "id" => {
                        keys.insert(folded(text));
                    }
                    Value::Number(number) if name == "id" => {
                        keys.insert(number.to_string());
                    }
                    _ => collect(value, keys),
                }
            }
        }
        _ => {}
    }
}
