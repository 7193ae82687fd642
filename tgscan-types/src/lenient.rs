//! The leniencies of reading, each with its reason. Missing fields are handled by `#[serde(default)]` beside the use.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

/// Reads null as the empty value.
///
/// A null list or a null text where one is promised is what an SQL column or an empty join leaves behind; it says
/// the same as an empty one, and refusing it would throw away an answer that was paid for.
pub(crate) fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list of texts, in which a null is an empty text for the same reason.
pub(crate) fn null_texts_as_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let texts: Vec<Option<String>> = null_as_empty(deserializer)?;
    Ok(texts.into_iter().map(Option::unwrap_or_default).collect())
}

/// Reads an id from a number or from text, and writes it as text.
///
/// The documentation types `id_history[].id` as text, but clients in the field decode it as a number.
pub(crate) mod id_as_text {
    use super::{Deserializer, IdVisitor};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(crate) fn serialize<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }
}

struct IdVisitor;

impl de::Visitor<'_> for IdVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, as a whole number or as text")
    }

    fn visit_i64<E>(self, id: i64) -> Result<i64, E> {
        Ok(id)
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<i64, E> {
        i64::try_from(id).map_err(|_| E::invalid_type(de::Unexpected::Other("a number beyond i64"), &self))
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<i64, E> {
        id.parse().map_err(|_| E::invalid_type(de::Unexpected::Other("other text"), &self))
    }
}
