//! The command line's words for functions and settings in texts of the SDK.

/// Names in texts of the SDK, and their names on the command line.
const NAMES: [(&str, &str); 12] = [
    ("`attempt_timeout`", "the time limit (--timeout)"),
    ("`read_timeout`", "the time limit (--timeout)"),
    ("`connect_timeout`", "the time limit for connecting"),
    ("`max_elapsed` of the call", "the time for attempts"),
    ("`max_body_size`", "the size limit"),
    ("`extra_roots_pem`", "--ca"),
    (", or allow it explicitly with `allow_plain_http`", ""),
    (", or allow it explicitly with `Api::with_plain_http_base_url`", ""),
    ("`Client::reconcile` or `Account::resolve`", "`tgscan store reconcile` or `tgscan store resolve`"),
    ("`Client::reconcile`", "`tgscan store reconcile`"),
    ("`Account::resolve`", "`tgscan store resolve`"),
    ("`StorePolicy::new`", "--account"),
];

/// Translates a text of the SDK into the words of the command line.
pub(crate) fn translated(text: &str) -> String {
    NAMES.iter().fold(text.to_owned(), |text, (name, word)| text.replace(name, word))
}
