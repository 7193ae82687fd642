//! Lists as people and spreadsheets write them.

use crate::support::{Bench, PRICE, accounts};

fn searched(bench: &Bench, name: &str, content: &[u8], flags: &[&str]) -> Vec<String> {
    let _ = std::fs::remove_file(bench.path("out.jsonl"));
    bench.write(name, content);
    let ran = bench.run_stored(&[&["batch", name, "--out", "out.jsonl", "--jobs", "1"], flags].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    accounts(&bench.path("out.jsonl"))
}

#[test]
fn lists_of_spreadsheets_are_read() {
    let bench = Bench::new(1000);
    let utf16: Vec<u8> =
        "\u{feff}n\tuser\r\n1\talice_1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, content, flags) in [
        ("a.csv", &b"n;user\n1;alice_1\n"[..], &["--column", "user"][..]),
        ("b.csv", b"sep=;\r\nn;user\r\n1;alice_1\r\n", &["--column", "2"]),
        ("c.tsv", b"n\tuser\n1\talice_1\n", &["--column", "user"]),
        ("d.txt", &utf16, &["--column", "user"]),
        ("e.csv", b"username\nalice_1\n", &[]),
        ("g.csv", b"alice_1\n", &["--column", "1"]),
        ("h.csv", b"contact\nalice_1\n", &["--column", "contact"]),
    ] {
        assert_eq!(searched(&bench, name, content, flags), ["alice_1"], "{name}");
    }
    let both =
        searched(&bench, "f.csv", b"a,b\nalice_1,bob_1\ncarol_1,\n", &["--column", "a", "--column", "b"]);
    assert_eq!(both, ["alice_1", "bob_1", "carol_1"]);
    assert_eq!(bench.spent(), 3 * PRICE, "each was paid for once");
}

#[test]
fn lists_that_cannot_be_read_are_refused_with_the_line_before_anything_is_paid() {
    let bench = Bench::new(1000);
    for (name, content, flags, says) in [
        ("a.csv", "user\nalice_1\n\"bob_1\ncarol_1\n", &[][..], "line 3: a quote is opened and not closed"),
        ("b.csv", "a,b\nalice_1,2\n", &["--column", "5"], "line 1 has 2 columns"),
        (
            "c.csv",
            "a,b\nalice_1,2\n",
            &["--column", "user"],
            "there is no column \"user\"; the file has: a, b",
        ),
        ("d.csv", "a,b\nalice_1,2\n", &[], "which column has the accounts?"),
        // Otherwise the first account would be taken for a name, and be missing from the answers.
        (
            "e.csv",
            "alice_1\nbob_1\n",
            &[],
            "line 1: is \"alice_1\" an account or the name of the column? --column 1 looks it up (and pays for it) as an \
             account, --column alice_1 skips it",
        ),
        ("f.csv", "136817688\nbob_1\n", &[], "--column 1 looks it up (and pays for it) as an account\n"),
    ] {
        bench.write(name, content);
        let ran = bench.run(&[&["batch", name], flags].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(says) && ran.out.is_empty(), "{name}: {ran:?}");
    }
    bench.write("words", "Username\nNone\nnull\n-\nN/A\nunknown\n");
    let words = bench.run(&["batch", "words"]);
    assert!(words.code == Some(2) && words.out.is_empty(), "{words:?}");
    assert!(words.err.contains("line 1: \"Username\" looks like a header"), "{words:?}");
    assert!(words.err.contains("line 6: \"unknown\" stands for an empty cell"), "{words:?}");
    assert_eq!(bench.spent(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn endless_line_is_refused_early() {
    let bench = Bench::new(1000);
    let ran = bench.run(&["batch", "/dev/zero"]);
    assert!(ran.code == Some(2) && ran.err.contains("line 1 is longer than"), "{ran:?}");
}
