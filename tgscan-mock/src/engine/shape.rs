//! The fields in the answers of each method, to reject faults that are impossible.

use std::sync::LazyLock;

use serde_json::Value;
use tgscan_core::types::Envelope;

use crate::data::{Generate, GenerateVisitor, Profile, sample, visit_all};

/// How many answers per method are merged, enough to contain every field.
const SAMPLES: u64 = 16;

/// Merged answers by method name, with every field and one element per list.
struct Shapes(Vec<(&'static str, Value)>);

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let mut shapes = Shapes(Vec::new());
    visit_all(&mut shapes);
    shapes
});

impl GenerateVisitor for Shapes {
    fn visit<M: Generate>(&mut self) {
        let answers = M::answers(Profile::Typical);
        let mut shape = Value::Null;
        for seed in 0..SAMPLES {
            let answer = serde_json::to_value(Envelope::Ok(sample(&answers, seed)));
            merge(&mut shape, answer.unwrap_or_default());
        }
        self.0.push((M::NAME, shape));
    }
}

fn merge(shape: &mut Value, value: Value) {
    match (shape, value) {
        (Value::Object(shape), Value::Object(fields)) => {
            for (name, value) in fields {
                merge(shape.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(shape), Value::Array(elements)) => {
            for element in elements {
                if shape.is_empty() {
                    shape.push(Value::Null);
                }
                merge(&mut shape[0], element);
            }
        }
        (shape @ Value::Null, list @ Value::Array(_)) => {
            *shape = Value::Array(Vec::new());
            merge(shape, list);
        }
        (shape @ Value::Null, value) => *shape = value,
        _ => {}
    }
}

/// Checks that the mock answers this method.
///
/// # Errors
/// If it does not: the methods that it answers.
pub(super) fn check_method(method: &str) -> Result<(), String> {
    let names: Vec<&str> = SHAPES.0.iter().map(|(name, _)| *name).collect();
    if names.contains(&method) {
        return Ok(());
    }
    Err(format!("the mock does not answer `{method}`; its methods are {}", names.join(", ")))
}

/// Checks that an answer of this method, or of any, can have a field at this JSON pointer.
///
/// # Errors
/// If it cannot: the pointers to all fields.
pub(super) fn check_field(pointer: &str, method: Option<&str>) -> Result<(), String> {
    let shapes = || SHAPES.0.iter().filter(|(name, _)| method.is_none_or(|method| method == *name));
    if shapes().any(|(_, shape)| has(shape, pointer)) {
        return Ok(());
    }
    let mut fields = Vec::new();
    shapes().for_each(|(_, shape)| list(shape, "", &mut fields));
    fields.sort_unstable();
    fields.dedup();
    let answers = method.map_or("no answer has".into(), |method| format!("no answer of `{method}` has"));
    Err(format!("`field` is {pointer:?}, which {answers}; give one of {}", fields.join(", ")))
}

fn has(shape: &Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return false };
    // All elements of a list have the shape of the first.
    let first = |part| if is_index(part) { "0" } else { part };
    let parent = parent.split('/').map(first).collect::<Vec<_>>().join("/");
    let fields = shape.pointer(&parent).and_then(Value::as_object);
    fields.is_some_and(|fields| fields.contains_key(name))
}

/// Returns whether this is an array index of RFC 6901, without leading zeros.
fn is_index(part: &str) -> bool {
    part == "0" || !part.starts_with(['0', '+']) && part.parse::<usize>().is_ok()
}

fn list(shape: &Value, at: &str, fields: &mut Vec<String>) {
    match shape {
        Value::Object(object) => {
            for (name, value) in object {
                let at = format!("{at}/{name}");
                list(value, &at, fields);
                fields.push(at);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                list(element, &format!("{at}/0"), fields);
            }
        }
        _ => {}
    }
}
