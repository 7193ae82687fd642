//! The leniencies of reading, each with its reason. Missing fields are handled by `#[serde(default)]` beside the use.

use std::fmt;
use std::marker::PhantomData;

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

/// Reads a list that can be long; null is empty for the same reason.
///
/// Its memory grows by an eighth once it is large. By doubling, as it does otherwise, the half that stays unused could
/// be larger than the whole body.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Option<Growing<T>> = Option::deserialize(deserializer)?;
    Ok(list.map_or_else(Vec::new, |Growing(items)| items))
}

struct Growing<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Growing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(GrowingVisitor(PhantomData))
    }
}

struct GrowingVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for GrowingVisitor<T> {
    type Value = Growing<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Growing<T>, A::Error> {
        /// From here on the steps are smaller. With fewer elements all of it is less than is worth a thought.
        const LARGE: usize = 1024;
        /// Saves a reallocation where there are more elements than the four that a `Vec` begins with.
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
        Ok(Growing(items))
    }
}

/// Reads a whole number, also one that is written as a float.
///
/// `1.0` and `1e0` are what JSON writers make of 1 whose only number is a float (Lua, PHP, spreadsheets); the
/// value is the same, and refusing it would throw away an answer that was paid for.
pub(crate) fn whole<'de, D: Deserializer<'de>, T: Whole>(deserializer: D) -> Result<T, D::Error> {
    // Any kind of number: `serde_json` hands an integer over as one whatever kind it is asked for.
    deserializer.deserialize_f64(WholeVisitor(PhantomData))
}

/// As [`whole`], with `None` for null.
pub(crate) fn optional_whole<'de, D: Deserializer<'de>, T: Whole>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    // Not through `Option`, which looks twice at each number.
    deserializer.deserialize_any(OptionalVisitor(WholeVisitor(PhantomData)))
}

struct OptionalVisitor<T>(WholeVisitor<T>);

impl<T: Whole> de::Visitor<'_> for OptionalVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    #[inline]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<T>, E> {
        self.0.visit_u64(number).map(Some)
    }

    #[inline]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<T>, E> {
        self.0.visit_i64(number).map(Some)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Option<T>, E> {
        self.0.visit_f64(number).map(Some)
    }
}

/// The types of whole numbers in answers.
pub(crate) trait Whole: TryFrom<i64> + TryFrom<u64> {
    /// What a reader says that it expected.
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
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    #[inline]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    #[inline]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    #[cold]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        whole_float(number)
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| E::invalid_type(de::Unexpected::Float(number), &self))
    }
}

/// A float that is a whole number and exactly that one: beyond 2^53 neighbours share a float.
fn whole_float(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    is_whole.then_some(number as i64)
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

    fn visit_f64<E: de::Error>(self, id: f64) -> Result<i64, E> {
        whole_float(id).ok_or_else(|| E::invalid_type(de::Unexpected::Float(id), &self))
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<i64, E> {
        id.parse().map_err(|_| E::invalid_type(de::Unexpected::Other("other text"), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> serde_json::Result<Vec<u32>> {
        list(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn a_list_of_any_length_is_whole_and_wastes_at_most_an_eighth_when_it_is_long() {
        for length in [0, 1, 4, 5, 1023, 1024, 1025, 10_000, 100_000] {
            let numbers: Vec<u32> = (0..length).collect();
            let read = read(&serde_json::to_string(&numbers).unwrap()).unwrap();
            assert_eq!(read, numbers);
            assert!(read.len() < 1024 || read.capacity() <= read.len() * 9 / 8, "{length}");
        }
        assert!(read("null").unwrap().is_empty());
    }

    #[test]
    fn a_short_list_grows_as_any_other_and_not_in_many_small_steps() {
        for length in [5, 100, 1000] {
            let mut pushed = Vec::new();
            (0..length).for_each(|number| pushed.push(number));
            let read = read(&serde_json::to_string(&pushed).unwrap()).unwrap();
            assert_eq!(read.capacity(), pushed.capacity());
        }
    }

    #[test]
    fn what_is_no_list_is_told_what_would_be_right() {
        let error = read("5").unwrap_err().to_string();
        assert!(error.contains("expected a sequence"), "{error}");
    }
}
