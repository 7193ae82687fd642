//! Deserializers that are more lenient than the documentation, each with its reason.
//!
//! Missing fields are handled by `#[serde(default)]` at the field.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer};

/// Reads null as the empty value.
///
/// A null list or string comes from an empty SQL column or join, and means the same as an empty one. An error would
/// lose a paid answer.
pub(crate) fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a repeated query: a string, a whole number (as its digits), or null (as the empty string).
///
/// A program that stores a numeric id as a number sends it as a JSON number.
pub(crate) fn echo<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(EchoVisitor)
}

/// Reads a list of repeated queries, or one comma-separated string, which is the form of the request.
pub(crate) fn echoes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(EchoesVisitor)
}

struct EchoesVisitor;

impl<'de> de::Visitor<'de> for EchoesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = elements.next_element_seed(EchoVisitor)? {
            texts.push(text);
        }
        Ok(texts)
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(text.split(',').map(str::to_owned).collect())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Vec<String>, E> {
        Ok(vec![number.to_string()])
    }

    fn visit_i64<E>(self, number: i64) -> Result<Vec<String>, E> {
        Ok(vec![number.to_string()])
    }

    fn visit_unit<E>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }
}

struct EchoVisitor;

impl<'de> de::DeserializeSeed<'de> for EchoVisitor {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        echo(deserializer)
    }
}

impl de::Visitor<'_> for EchoVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
        let number =
            whole_float(number).ok_or_else(|| E::invalid_type(de::Unexpected::Float(number), &self))?;
        Ok(number.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }
}

/// Reads a list that can be long; null is an empty list, as in [`null_as_empty`].
///
/// A large list grows by an eighth: if it doubled, its unused half could be larger than the whole body.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(GrowingVisitor(PhantomData))
}

struct GrowingVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for GrowingVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        /// The number of elements from which the list grows in smaller steps. Below it, the unused memory is
        /// negligible.
        const LARGE: usize = 1024;
        /// Avoids a reallocation for lists of more than four elements, the initial capacity of a `Vec`.
        const FIRST: usize = 8;
        let mut items = Vec::new();
        while let Some(item) = elements.next_element()? {
            if items.is_empty() {
                items.reserve_exact(FIRST);
            } else if items.len() == items.capacity() && items.len() >= LARGE {
                items.reserve_exact(items.len() / 8);
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// Reads a whole number, even from a float or a string.
///
/// Writers whose only number type is a float (Lua, PHP, spreadsheets) write 1 as `1.0` or `1e0`; database drivers write
/// a decimal as `"1"`. The value is the same, and an error would lose a paid answer.
pub(crate) fn whole<'de, D: Deserializer<'de>, T: Whole>(deserializer: D) -> Result<T, D::Error> {
    let null = || de::Error::invalid_type(de::Unexpected::Unit, &T::EXPECTED);
    optional_whole(deserializer)?.ok_or_else(null)
}

/// Reads as [`whole`] does, and null as `None`.
pub(crate) fn optional_whole<'de, D: Deserializer<'de>, T: Whole>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    // Not through `Option`, which would dispatch on each number twice.
    deserializer.deserialize_any(WholeVisitor(PhantomData))
}

/// A type of whole numbers in answers.
pub(crate) trait Whole: TryFrom<i64> + TryFrom<u64> {
    /// The name of the type in errors.
    const EXPECTED: &'static str;
}

impl Whole for i64 {
    const EXPECTED: &'static str = "i64";
}

impl Whole for u64 {
    const EXPECTED: &'static str = "u64";
}

struct WholeVisitor<T>(PhantomData<T>);

impl<T: Whole> de::Visitor<'_> for WholeVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    #[inline]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<T>, E> {
        let wrong = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
        T::try_from(number).map(Some).map_err(wrong)
    }

    #[inline]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<T>, E> {
        let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
        T::try_from(number).map(Some).map_err(wrong)
    }

    #[cold]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Option<T>, E> {
        let whole = whole_float(number).and_then(|number| T::try_from(number).ok());
        whole.map(Some).ok_or_else(|| E::invalid_type(de::Unexpected::Float(number), &self))
    }

    #[cold]
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<T>, E> {
        let unsigned = || T::try_from(text.parse::<u64>().ok()?).ok();
        let signed = || T::try_from(text.parse::<i64>().ok()?).ok();
        let float = || T::try_from(whole_float(text.parse().ok()?)?).ok();
        let whole = unsigned().or_else(signed).or_else(float);
        whole.map(Some).ok_or_else(|| E::invalid_type(de::Unexpected::Other("other text"), &self))
    }
}

/// Converts a float that is a whole number below 2^53; larger floats stand for several whole numbers.
fn whole_float(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    is_whole.then_some(number as i64)
}

/// Writes an id as text, the documented form of `id_history[].id`. Existing clients decode it as a number, so [`whole`]
/// reads both.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn as_text<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> serde_json::Result<Vec<u32>> {
        list(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn a_long_list_is_complete_and_wastes_at_most_an_eighth() {
        for length in [0, 1, 4, 5, 1023, 1024, 1025, 10_000, 100_000] {
            let numbers: Vec<u32> = (0..length).collect();
            let read = read(&serde_json::to_string(&numbers).unwrap()).unwrap();
            assert_eq!(read, numbers);
            assert!(read.len() < 1024 || read.capacity() <= read.len() * 9 / 8, "{length}");
        }
        assert!(read("null").unwrap().is_empty());
    }

    #[test]
    fn a_short_list_does_not_grow_in_small_steps() {
        for length in [5, 100, 1000] {
            let mut pushed = Vec::new();
            (0..length).for_each(|number| pushed.push(number));
            let read = read(&serde_json::to_string(&pushed).unwrap()).unwrap();
            assert_eq!(read.capacity(), pushed.capacity());
        }
    }

    #[test]
    fn reads_whole_numbers_from_numbers_floats_and_texts() {
        let read = |json: &str| whole::<_, u64>(&mut serde_json::Deserializer::from_str(json)).ok();
        for json in ["2", "2.0", "2e0", r#""2""#, r#""2.0""#] {
            assert_eq!(read(json), Some(2), "{json}");
        }
        assert_eq!(read(&format!("\"{}\"", u64::MAX)), Some(u64::MAX));
        for json in [
            "-2",
            "2.5",
            "1e300",
            "9007199254740992.0",
            r#""-2""#,
            r#""2.5""#,
            r#""two""#,
            r#""""#,
            r#"" 2""#,
            "null",
            "true",
            "[2]",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
        let signed = |json: &str| whole::<_, i64>(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!((signed("-2"), signed(r#""-2""#)), (Some(-2), Some(-2)));
        assert_eq!(signed(&format!("\"{}\"", u64::MAX)), None);
        let optional =
            |json: &str| optional_whole::<_, i64>(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!((optional("null"), optional(r#""7""#)), (Some(None), Some(Some(7))));
    }

    #[test]
    fn reads_repeated_queries_from_texts_numbers_and_null() {
        let one = |json: &str| echo(&mut serde_json::Deserializer::from_str(json)).ok();
        for (json, text) in
            [(r#""alice""#, "alice"), ("136817688", "136817688"), ("-7", "-7"), ("7.0", "7"), ("null", "")]
        {
            assert_eq!(one(json).as_deref(), Some(text), "{json}");
        }
        assert_eq!((one("7.5"), one("[]"), one("true")), (None, None, None));
        let all = |json: &str| echoes(&mut serde_json::Deserializer::from_str(json)).ok();
        let expected = Some(vec!["alice".to_owned(), "7".to_owned()]);
        assert_eq!((all(r#"["alice",7]"#), all(r#""alice,7""#)), (expected.clone(), expected));
        assert_eq!(all(r#"["alice",null]"#), Some(vec!["alice".to_owned(), String::new()]));
        assert_eq!(
            (all("[]"), all("null"), all("7")),
            (Some(vec![]), Some(vec![]), Some(vec!["7".to_owned()]))
        );
        assert_eq!(all("true"), None);
    }

    #[test]
    fn the_error_for_another_type_names_the_expected_one() {
        let error = read("5").unwrap_err().to_string();
        assert!(error.contains("expected a sequence"), "{error}");
    }
}
