//! Strategies for the values that several methods share.

use proptest::prelude::{Rng, Strategy};
use proptest::prop_oneof;
use proptest::strategy::{Just, SBoxedStrategy};
use proptest::test_runner::TestRng;
use tgscan_core::types::{GroupQuery, UserId, UserQuery, Username};

use super::Profile;
use super::leaf::{Leaf, between, one_of, shorter};

const WORDS: [&str; 32] = [
    "amber", "brave", "chess", "crypto", "daily", "delta", "digital", "echo", "forum", "garden", "global",
    "happy", "iron", "jazz", "kitchen", "lucky", "market", "metro", "music", "night", "north", "open",
    "photo", "quiet", "rust", "silver", "sport", "sunny", "travel", "urban", "vintage", "world",
];

const FIRST_NAMES: [&str; 20] = [
    "Anna",
    "Boris",
    "Chloé",
    "David",
    "Elif",
    "Farah",
    "George",
    "Hana",
    "Иван",
    "Катя",
    "Олексій",
    "Leila",
    "محمد",
    "مریم",
    "Noa",
    "דוד",
    "さくら",
    "伟",
    "Zoë",
    "Jo🌻",
];

const TITLES: [&str; 24] = [
    "Book club",
    "City news",
    "Crypto talk 🚀",
    "Developers",
    "Flat hunters",
    "Football fans ⚽",
    "Game night",
    "Jobs",
    "Language exchange",
    "Marketplace",
    "Музыка и кино",
    "Новости района",
    "Продам / куплю",
    "Кулінарія",
    "أخبار المدينة",
    "سوق الهواتف",
    "חדשות",
    "美食爱好者",
    "旅行のはなし",
    "Photo 📷 lovers",
    "Парковка ЖК «Север»",
    "Rust & friends 🦀",
    "Study group",
    "Volunteers ❤️",
];

/// Texts that are legal and unpleasant: emoji sequences, right-to-left, zero-width, combining, control, quoting.
const NASTY: [&str; 16] = [
    "",
    " ",
    "👩‍👩‍👧‍👦🏳️‍🌈🇺🇦",
    "\u{202e}txet desrever",
    "zero\u{200b}width\u{feff}",
    "e\u{301}\u{302}\u{303}\u{304}\u{305}",
    "\u{0}\u{1}\u{1b}[31m\u{7f}",
    "line\nbreak\r\n\ttab\u{2028}",
    "\"quoted\" \\ back\\slash / slash",
    "</script><b>&amp;'",
    "{\"status\":\"error\",\"result\":{}}",
    "مرحبا بالعالم",
    "𝕌𝕟𝕚𝕔𝕠𝕕𝕖 𐍈",
    "\u{10ffff}\u{fffd}\u{e000}",
    "null",
    "-1e999",
];

fn draw_username(rng: &mut TestRng) -> String {
    let mut name = format!("{}_{}", one_of(rng, &WORDS), one_of(rng, &WORDS));
    if rng.next_u32().is_multiple_of(2) {
        name.push_str(&between(rng, 1, 9999).to_string());
    }
    name
}

/// Usernames as they are: 5 to 32 characters, beginning with a letter.
pub fn usernames() -> SBoxedStrategy<String> {
    Leaf::new(draw_username, shorter::<5>).sboxed()
}

/// Every username that may be sent, typical or not: 1 to 32 letters, digits and underscores, not only digits.
pub fn wire_usernames() -> SBoxedStrategy<Username> {
    let any_legal = Leaf::new(
        |rng| {
            let chars = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
            let length = between(rng, 0, 31);
            // The first one is no digit, so that the whole is not a number.
            let first = between(rng, 0, 52);
            std::iter::once(first)
                .chain((0..length).map(|_| between(rng, 0, 62)))
                .map(|index| char::from(chars[usize::try_from(index).unwrap_or_default()]))
                .collect()
        },
        shorter::<1>,
    );
    // Both draw from the alphabet that `Username` accepts, so nothing is ever filtered out.
    prop_oneof![usernames(), any_legal].prop_filter_map("a legal username", |name| name.parse().ok()).sboxed()
}

/// Numeric ids of accounts, as they are: up to ten digits.
pub fn user_ids() -> SBoxedStrategy<i64> {
    (100_000_i64..=8_999_999_999).sboxed()
}

/// Numeric ids of groups, as they are.
pub fn group_ids() -> SBoxedStrategy<i64> {
    (1_000_000_000_i64..=2_999_999_999).sboxed()
}

/// Queries for an account: usernames and ids, the extreme ones included.
pub fn user_queries() -> SBoxedStrategy<UserQuery> {
    let ids = prop_oneof![user_ids(), 1..=i64::MAX];
    prop_oneof![
        3 => wire_usernames().prop_map(UserQuery::Username),
        1 => ids.prop_filter_map("an id above zero", |id| UserId::new(id).ok()).prop_map(UserQuery::Id),
    ]
    .sboxed()
}

/// Queries for similar groups: 1 to 10 usernames.
pub fn group_queries() -> SBoxedStrategy<GroupQuery> {
    proptest::collection::vec(wire_usernames(), 1..=GroupQuery::MAX_USERNAMES)
        .prop_filter_map("1 to 10 usernames", |names| GroupQuery::new(names).ok())
        .sboxed()
}

/// First and last names.
pub fn first_names(profile: Profile) -> SBoxedStrategy<String> {
    match profile {
        Profile::Typical => Leaf::new(|rng| one_of(rng, &FIRST_NAMES).to_owned(), shorter::<1>).sboxed(),
        Profile::Hostile => nasty_texts(),
    }
}

/// Titles of groups.
pub fn titles(profile: Profile) -> SBoxedStrategy<String> {
    match profile {
        Profile::Typical => Leaf::new(|rng| one_of(rng, &TITLES).to_owned(), shorter::<1>).sboxed(),
        Profile::Hostile => nasty_texts(),
    }
}

/// Dates. Assumption: the typical ones are ISO 8601 dates; the documentation states no format.
pub fn dates(profile: Profile) -> SBoxedStrategy<String> {
    fn draw(rng: &mut TestRng) -> String {
        let (year, month, day) = (between(rng, 2016, 2026), between(rng, 1, 12), between(rng, 1, 28));
        format!("{year}-{month:02}-{day:02}")
    }
    fn draw_odd(rng: &mut TestRng) -> String {
        let odd = [
            "",
            "0000-00-00",
            "1970-01-01T00:00:00Z",
            "31.12.1999",
            "1700000000",
            "yesterday",
            "+275760-09-13",
        ];
        one_of(rng, &odd).to_owned()
    }
    match profile {
        Profile::Typical => {
            Leaf::new(draw, |date| (date != "2016-01-01").then(|| "2016-01-01".to_owned())).sboxed()
        }
        Profile::Hostile => Leaf::new(draw_odd, |date| (!date.is_empty()).then(String::new)).sboxed(),
    }
}

/// Unpleasant texts, some of them long.
pub(super) fn nasty_texts() -> SBoxedStrategy<String> {
    fn draw(rng: &mut TestRng) -> String {
        let text = one_of(rng, &NASTY);
        match rng.next_u32() % 16 {
            0 => text.repeat(50),
            1..4 => format!("{text}{}", one_of(rng, &NASTY)),
            _ => text.to_owned(),
        }
    }
    Leaf::new(draw, shorter::<0>).sboxed()
}

/// Usernames inside answers.
pub(super) fn answer_usernames(profile: Profile) -> SBoxedStrategy<String> {
    match profile {
        Profile::Typical => usernames(),
        Profile::Hostile => prop_oneof![usernames(), nasty_texts()].sboxed(),
    }
}

/// Texts that may be null.
pub(super) fn optional(texts: SBoxedStrategy<String>) -> SBoxedStrategy<Option<String>> {
    proptest::option::weighted(0.7, texts).sboxed()
}

/// Any id, the extreme ones often.
pub(super) fn extreme_ids() -> SBoxedStrategy<i64> {
    prop_oneof![
        1 => proptest::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX, 9_007_199_254_740_993]),
        1 => proptest::num::i64::ANY,
    ]
    .sboxed()
}

/// Counts beyond what is listed, the extreme ones often.
pub(super) fn more(profile: Profile) -> SBoxedStrategy<u64> {
    match profile {
        Profile::Typical => (0_u64..50).sboxed(),
        Profile::Hostile => prop_oneof![0_u64..2, Just(u64::from(u32::MAX)), Just(u64::MAX)].sboxed(),
    }
}

/// Lengths of lists: empty and huge ones in the hostile profile.
pub(super) fn lengths(profile: Profile, typical: usize) -> proptest::collection::SizeRange {
    match profile {
        Profile::Typical => (0..=typical).into(),
        Profile::Hostile => (0..=typical * 10).into(),
    }
}
