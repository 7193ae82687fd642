//! Answers are read from JSON objects alone.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Reads what it is asked for as an object, never as a list.
///
/// serde's derive reads a struct from a list too, by the order of its fields, so that `[5]` would be a balance. The
/// documentation knows no such form, and a list that happens to fit is no answer. Costs nothing: the derived reader gets
/// the object as it would without this.
pub(crate) struct Object<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, ObjectVisitor(visitor))
    }

    // What a struct's reader never asks for.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(ObjectVisitor(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

struct ObjectVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for ObjectVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }
}

/// Implements `Deserialize` for an answer's structs, from objects alone, each by a private struct with the same fields.
///
/// That one derives with `#[serde(remote = "…")]`, which yields a function to wrap where a derive on the answer's struct
/// itself would yield the finished impl. The compiler checks that both have the same fields.
/// `#[serde(default)]` at a field of the answer itself is for its schema.
macro_rules! read_from_objects {
    ($($name:ident by $reader:ident),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            #[inline]
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $reader::deserialize($crate::object::Object(deserializer))
            }
        }
    )+};
}
pub(crate) use read_from_objects;
