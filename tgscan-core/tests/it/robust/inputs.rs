//! Tests any text as a key, a base URL or a query: it is refused with a reason, or yields a request.

use proptest::prelude::*;
use proptest::string::string_regex;
use tgscan_core::types::{repair_json, unix_millis};

use crate::checks::values;
use crate::support::runs;

/// Generates texts, many of them nearly valid.
fn text() -> impl Strategy<Value = String> {
    let near = |pattern| string_regex(pattern).unwrap();
    prop_oneof![
        any::<String>(),
        near("[@+-]?[a-zA-Z0-9_]{0,34}"),
        near("[+-]?[0-9]{0,20}"),
        near("(https?://|tg:/?/?)?(www\\.)?(t|T)(elegram)?\\.me/(s/|@)?[a-z0-9_/?+]{0,12}"),
        near("([@]?[a-zA-Z][a-z0-9_]{2,5},){0,11}[a-z]{3,5}"),
        near("[ +(]?[0-9]{1,5}([ ./()-]{0,2}[0-9]{1,4}){0,4}"),
        near("[ -~]{0,40}"),
    ]
}

fn url() -> impl Strategy<Value = String> {
    let near = |pattern| string_regex(pattern).unwrap();
    prop_oneof![
        any::<String>(),
        near("[a-zA-Z]{1,6}:/{0,3}[ -~]{0,20}"),
        near("(https|http|HTTP)://[a-z0-9.:@%\\[\\]-]{1,16}(/[ -~]{0,10})?"),
        near("https?://(localhost|127\\.0\\.0\\.1|\\[::1\\])[a-z0-9.:@\\[\\]/?#-]{0,12}"),
        near("https?://[a-z]{1,8}\\.example(:[0-9]{0,6})?(/[^?#]{0,10})?"),
    ]
}

proptest! {
    #![proptest_config(runs(4000))]

    #[test]
    fn any_text_is_a_query_or_is_refused(text in text()) {
        values::query(&text, &mut |_| {});
    }

    #[test]
    fn any_text_is_a_date_or_refused(text in prop_oneof![
        any::<String>(),
        string_regex("[0-9A-Za-z ,./:+-]{0,30}").unwrap(),
        string_regex("[0-9]{1,5}[-/.][0-9]{1,2}[-/.][0-9]{1,4}[T ]?([0-9]{1,2}:){0,3}[0-9]{0,2}(\\.[0-9]{0,4})?[Z+-]?[0-9:]{0,5}")
            .unwrap(),
    ]) {
        // Years have four digits.
        if let Some(millis) = unix_millis(&text) {
            prop_assert!((-62_300_000_000_000..253_500_000_000_000).contains(&millis), "{text}: {millis}");
        }
    }

    #[test]
    fn any_text_is_repaired_once_and_valid_json_never(
        text in prop_oneof![any::<String>(), string_regex("\u{feff}?\"(\\\\(u[dD][89a-fA-F][0-9]{2}|u00e9|\\\\|n)|x){0,8}\"").unwrap()],
    ) {
        let mended = repair_json(text.as_bytes());
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert_eq!(&mended, &None);
        }
        if let Some(mended) = mended {
            prop_assert_eq!(mended.len(), text.len());
            prop_assert_eq!(repair_json(&mended), None);
            prop_assert!(std::str::from_utf8(&mended).is_ok());
        }
    }

    #[test]
    fn any_text_is_a_key_or_is_refused(text in text()) {
        values::key(&text);
    }

    #[test]
    fn any_text_is_a_base_url_or_is_refused(text in url()) {
        values::base_url(&text);
    }
}
