//! Strategies for the values that several methods share.

use std::sync::LazyLock;

use proptest::collection::{SizeRange, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::SBoxedStrategy;
use tgscan_core::types::{GroupQuery, UserId, UserQuery, Username};

use super::Profile;
use super::date::{self, FIRST_DAY, TODAY};

pub(super) const WORDS: [&str; 32] = [
    "amber", "brave", "chess", "crypto", "daily", "delta", "digital", "echo", "forum", "garden", "global",
    "happy", "iron", "jazz", "kitchen", "lucky", "market", "metro", "music", "night", "north", "open",
    "photo", "quiet", "rust", "silver", "sport", "sunny", "travel", "urban", "vintage", "world",
];

pub(super) static FIRST_NAMES: Lines = LazyLock::new(|| include_str!("first_names.txt").lines().collect());
pub(super) static TITLES: Lines = LazyLock::new(|| include_str!("titles.txt").lines().collect());
/// Second parts of titles.
pub(super) static PLACES: Lines = LazyLock::new(|| include_str!("places.txt").lines().collect());

type Lines = LazyLock<Vec<&'static str>>;

/// The smallest typical group id.
pub(super) const LEAST_GROUP_ID: i64 = 1_000_000_000;

/// Valid but unusual strings: emoji sequences, right-to-left, zero-width, combining, control, quoting.
const UNUSUAL: [&str; 16] = [
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

const ODD_DATES: [&str; 7] =
    ["", "0000-00-00", "1970-01-01T00:00:00Z", "31.12.1999", "1700000000", "yesterday", "+275760-09-13"];

const EXTREME_IDS: [i64; 6] = [0, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993];

/// Returns the typical strategy, or one with unusual strings, which are sometimes long.
fn text(
    profile: Profile,
    typical: impl Strategy<Value = String> + Send + Sync + 'static,
    unusual: &'static [&'static str],
) -> SBoxedStrategy<String> {
    match profile {
        Profile::Typical => typical.sboxed(),
        Profile::Extreme | Profile::Undocumented => {
            let long = (select(unusual), 1..50_usize).prop_map(|(text, times)| text.repeat(times));
            let text = select(unusual).prop_map(str::to_owned);
            prop_oneof![8 => text, 1 => long, 7 => typical].sboxed()
        }
    }
}

/// Returns a strategy for usernames in answers. Typical ones have 5 to 32 characters and begin with a letter.
pub(super) fn username(profile: Profile) -> SBoxedStrategy<String> {
    let number = prop_oneof![Just(String::new()), (1..=9999_u16).prop_map(|number| number.to_string())];
    let typical = (select(&WORDS), select(&WORDS), number)
        .prop_map(|(first, second, number)| format!("{first}_{second}{number}"));
    text(profile, typical, &UNUSUAL)
}

pub(super) fn name(profile: Profile) -> SBoxedStrategy<String> {
    text(profile, select(&FIRST_NAMES[..]).prop_map(str::to_owned), &UNUSUAL)
}

pub(super) fn title(profile: Profile) -> SBoxedStrategy<String> {
    let place = option::weighted(0.7, select(&PLACES[..]));
    let typical = (select(&TITLES[..]), place)
        .prop_map(|(title, place)| place.map_or(title.to_owned(), |place| format!("{title} {place}")));
    text(profile, typical, &UNUSUAL)
}

/// Returns a strategy for dates. Assumption: typical dates are ISO 8601; the documentation states no format.
pub(super) fn date(profile: Profile) -> SBoxedStrategy<String> {
    let typical = (FIRST_DAY..=TODAY).prop_map(date::date);
    text(profile, typical, &ODD_DATES)
}

pub(super) fn optional(strategy: SBoxedStrategy<String>) -> SBoxedStrategy<Option<String>> {
    option::weighted(0.7, strategy).sboxed()
}

pub(super) fn user_id(profile: Profile) -> SBoxedStrategy<i64> {
    id(profile, (100_000, 8_999_999_999))
}

pub(super) fn group_id(profile: Profile) -> SBoxedStrategy<i64> {
    id(profile, (LEAST_GROUP_ID, 2_999_999_999))
}

/// Returns a strategy for balances: often 0, and sometimes negative in the unusual profiles.
pub(super) fn balance(profile: Profile) -> SBoxedStrategy<i64> {
    prop_oneof![Just(0), id(profile, (1, 99_999))].sboxed()
}

fn id(profile: Profile, typical: (i64, i64)) -> SBoxedStrategy<i64> {
    match profile {
        Profile::Typical => (typical.0..=typical.1).sboxed(),
        Profile::Extreme | Profile::Undocumented => prop_oneof![select(&EXTREME_IDS), any::<i64>()].sboxed(),
    }
}

/// Returns a strategy for counts from `least`, often extreme in the unusual profiles.
pub(super) fn count(profile: Profile, least: u64) -> SBoxedStrategy<u64> {
    match profile {
        Profile::Typical => (least..=500).sboxed(),
        Profile::Extreme | Profile::Undocumented => select(&[0, 1, 4_294_967_295, u64::MAX]).sboxed(),
    }
}

/// Returns the lengths of lists: up to this length, or four times as many in the unusual profiles.
pub(super) fn lengths(profile: Profile, usual: usize) -> SizeRange {
    let most = if profile == Profile::Typical { usual } else { usual * 4 };
    (0..=most).into()
}

/// Returns a strategy for valid usernames: 4 to 32 letters, digits and single underscores, beginning with a letter and
/// not ending with an underscore.
fn valid_username() -> SBoxedStrategy<Username> {
    let names = prop_oneof![
        username(Profile::Typical),
        "[a-zA-Z][a-zA-Z0-9]{3,31}",
        "[a-zA-Z](_?[a-zA-Z0-9]){3,15}",
    ];
    names.prop_filter_map("a valid username", |name| name.parse().ok()).sboxed()
}

/// Returns a strategy for queries of an account: usernames and ids, including extreme ones.
pub(super) fn user_query() -> SBoxedStrategy<UserQuery> {
    let ids = prop_oneof![user_id(Profile::Typical), 1..=i64::MAX];
    prop_oneof![
        3 => valid_username().prop_map(UserQuery::Username),
        1 => ids.prop_filter_map("an id above zero", |id| UserId::new(id).ok()).prop_map(UserQuery::Id),
    ]
    .sboxed()
}

/// Returns a strategy for queries of similar groups: 1 to 10 usernames.
pub(super) fn group_query() -> SBoxedStrategy<GroupQuery> {
    vec(valid_username(), 1..=GroupQuery::MAX_USERNAMES)
        .prop_filter_map("1 to 10 usernames", |names| GroupQuery::new(names).ok())
        .sboxed()
}
