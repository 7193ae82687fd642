//! Walks and changes JSON documents, by JSON pointer.

use serde_json::Value;

/// Returns every place in a document below its root, in pre-order.
pub(crate) fn places(document: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, found: &mut Vec<String>) {
        let mut visit = |name: &str, inner: &Value| {
            let place = format!("{at}/{name}");
            found.push(place.clone());
            walk(&place, inner, found);
        };
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, inner)| visit(name, inner)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, inner)| visit(&index.to_string(), inner));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", document, &mut found);
    found
}

/// Returns the parent of a place, and its name there.
pub(crate) fn parent(place: &str) -> (&str, &str) {
    place.rsplit_once('/').expect("a place below the root")
}

/// Returns the path of a place as in errors: `/result/groups/0/id` is `result.groups[0].id`.
pub(crate) fn path(place: &str) -> String {
    let parts = place.split('/').skip(1).map(|part| match part.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) => format!(".{part}"),
    });
    parts.collect::<String>().trim_start_matches('.').to_owned()
}

/// Returns the document with another value at a place.
pub(crate) fn replaced(document: &Value, place: &str, with: &Value) -> Value {
    let mut changed = document.clone();
    *changed.pointer_mut(place).expect(place) = with.clone();
    changed
}

/// Returns the document without a field or item.
pub(crate) fn removed(document: &Value, place: &str) -> Value {
    let mut changed = document.clone();
    let (outer, name) = parent(place);
    match changed.pointer_mut(outer).expect(place) {
        Value::Object(fields) => drop(fields.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!("{place} is in neither"),
    }
    changed
}

/// Returns the envelope's text with `status` before `result`, and with `result` before `status`.
pub(crate) fn both_orders(envelope: &Value) -> [String; 2] {
    let mut fields: Vec<String> = ["status", "result"]
        .into_iter()
        .filter_map(|name| Some(format!("\"{name}\":{}", envelope.get(name)?)))
        .collect();
    let status_first = format!("{{{}}}", fields.join(","));
    fields.reverse();
    [status_first, format!("{{{}}}", fields.join(","))]
}

#[test]
fn places_paths_and_changes_are_consistent() {
    let document = serde_json::json!({"a": [{"b": 1}], "c": null});
    assert_eq!(places(&document), ["/a", "/a/0", "/a/0/b", "/c"]);
    assert_eq!(path("/a/0/b"), "a[0].b");
    assert_eq!(removed(&document, "/a/0"), serde_json::json!({"a": [], "c": null}));
    assert_eq!(
        replaced(&document, "/a/0/b", &Value::Null),
        serde_json::json!({"a": [{"b": null}], "c": null})
    );
    let envelope = serde_json::json!({"result": 1, "status": "ok"});
    assert_eq!(both_orders(&envelope), [r#"{"status":"ok","result":1}"#, r#"{"result":1,"status":"ok"}"#]);
}
