//! Parses `content-length`.

/// Returns the length if all values agree on one. Each value may be a list.
pub(crate) fn agreed<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<u64> {
    let mut all = values.into_iter().flat_map(|value| value.split(|byte| *byte == b','));
    let first = number(all.next()?)?;
    all.all(|text| number(text) == Some(first)).then_some(first)
}

fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.iter().all(u8::is_ascii_digit);
    // hyper reserves the two greatest values.
    let number = std::str::from_utf8(text).ok()?.parse::<u64>().ok()?;
    (digits && number <= u64::MAX - 2).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_only_on_equal_valid_lengths() {
        for (values, length) in [
            (&["3"][..], Some(3)),
            (&["3, 3", " 03"], Some(3)),
            (&["3", "4"], None),
            (&["3,"], None),
            (&["+3"], None),
            (&[""], None),
            (&[], None),
            (&["18446744073709551613"], Some(u64::MAX - 2)),
            (&["18446744073709551614"], None),
        ] {
            assert_eq!(agreed(values.iter().map(|value| value.as_bytes())), length, "{values:?}");
        }
    }
}
