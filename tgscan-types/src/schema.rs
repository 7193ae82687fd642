//! JSON schemas of the validated values. All other schemas are derived.
//!
//! They describe the exact wire form: a string is valid if and only if the type's `Deserialize` accepts it, except that
//! [`UserId`] also accepts the ids of 19 digits that fit into an `i64`.
//!
//! ```
//! use tgscan_types::Search;
//!
//! let schema = schemars::schema_for!(Search).to_value();
//! assert_eq!(schema["required"][0], "query");
//! ```

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{GroupQuery, UserId, UserQuery, Username};

const ID: &str = "^[1-9][0-9]{0,17}$";

impl JsonSchema for Username {
    fn schema_name() -> Cow<'static, str> {
        "Username".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Username of a user or group, without `@`. Assumption: characters and length are \
                Telegram's own rules.",
            "pattern": format!("^{}$", username("$")),
        })
    }
}

impl JsonSchema for UserId {
    fn schema_name() -> Cow<'static, str> {
        "UserId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Telegram numeric id of a user, as text. Assumption: ids are 1 and above, and have at most \
                18 digits.",
            "pattern": ID,
        })
    }
}

impl JsonSchema for UserQuery {
    fn schema_name() -> Cow<'static, str> {
        "UserQuery".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A user: a username without `@`, or a Telegram numeric id.",
            "anyOf": [generator.subschema_for::<Username>(), generator.subschema_for::<UserId>()],
        })
    }
}

impl JsonSchema for GroupQuery {
    fn schema_name() -> Cow<'static, str> {
        "GroupQuery".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (one, more) = (username("(?:,|$)"), Self::MAX_USERNAMES - 1);
        json_schema!({
            "type": "string",
            "description": "Groups to compare with: 1 to 10 usernames without `@`, delimited with commas.",
            "pattern": format!("^{one}(?:,{one}){{0,{more}}}$"),
        })
    }
}

/// Returns a pattern for a username before `end`: a letter, then letters, digits and single underscores, not at the
/// end.
fn username(end: &str) -> String {
    let (least, most) = (Username::MIN_CHARS - 1, Username::MAX_CHARS - 1);
    format!("(?![A-Za-z0-9_]*_(?:_|{end}))[A-Za-z][A-Za-z0-9_]{{{least},{most}}}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Returns the schema of a type without descriptions.
    fn bare<T: JsonSchema>() -> Value {
        let mut schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut).into_iter().flatten();
        for (_, inner) in definitions {
            inner.as_object_mut().expect("a schema").remove("description").expect("a description");
        }
        let fields = schema.as_object_mut().expect("a schema");
        fields.remove("description").expect("a description");
        fields.remove("$schema");
        schema
    }

    #[test]
    fn the_limits_are_those_of_the_types() {
        let name = "^(?![A-Za-z0-9_]*_(?:_|$))[A-Za-z][A-Za-z0-9_]{3,31}$";
        assert_eq!(bare::<Username>(), json!({"title": "Username", "type": "string", "pattern": name}));
        assert_eq!(bare::<UserId>(), json!({"title": "UserId", "type": "string", "pattern": ID}));
        let either = json!({
            "title": "UserQuery",
            "anyOf": [{"$ref": "#/$defs/Username"}, {"$ref": "#/$defs/UserId"}],
            "$defs": {"Username": {"type": "string", "pattern": name}, "UserId": {"type": "string", "pattern": ID}},
        });
        assert_eq!(bare::<UserQuery>(), either);
        let one = "(?![A-Za-z0-9_]*_(?:_|(?:,|$)))[A-Za-z][A-Za-z0-9_]{3,31}";
        let ten = format!("^{one}(?:,{one}){{0,9}}$");
        assert_eq!(bare::<GroupQuery>(), json!({"title": "GroupQuery", "type": "string", "pattern": ten}));
    }
}
