//! Strategies for the values that several methods share.

use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::strategy::SBoxedStrategy;
use tgscan_core::types::{GroupQuery, UserId, UserQuery, Username};

use super::draw_strategy::{DrawStrategy, WORLD, shorten, to, value};
use super::rng::Rng;
use super::{Date, Profile};

pub(super) const WORDS: [&str; 32] = [
    "amber", "brave", "chess", "crypto", "daily", "delta", "digital", "echo", "forum", "garden", "global",
    "happy", "iron", "jazz", "kitchen", "lucky", "market", "metro", "music", "night", "north", "open",
    "photo", "quiet", "rust", "silver", "sport", "sunny", "travel", "urban", "vintage", "world",
];

pub(super) const FIRST_NAMES: [&str; 32] = [
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
    "Ελένη",
    "Արամ",
    "ნინო",
    "आरती",
    "রহিম",
    "தமிழ்",
    "สมชาย",
    "지민",
    "አበበ",
    "Nguyễn",
    "Ṣadé",
    "José María",
];

pub(super) const TITLES: [&str; 32] = [
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
    "Κουζίνα",
    "ერთად",
    "किताबें",
    "ข่าวท้องถิ่น",
    "동네 소식",
    "Барахолка",
    "Tech jobs",
    "Гітара та пісні",
];

/// Second parts of titles.
pub(super) const PLACES: [&str; 32] = [
    "Berlin",
    "Kyiv",
    "Київ",
    "Москва",
    "İstanbul",
    "دبي",
    "תל אביב",
    "東京",
    "Lagos",
    "São Paulo",
    "Tbilisi",
    "თბილისი",
    "Алматы",
    "Wien",
    "Warszawa",
    "Paris",
    "NYC",
    "2.0",
    "№ 1",
    "chat",
    "чат",
    "official ✅",
    "24/7",
    "🇪🇺",
    "🇺🇦",
    "🇧🇷",
    "beginners",
    "Pro",
    "offtopic",
    "новости",
    "old",
    "‼️",
];

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

/// Returns a strategy for typical usernames: 5 to 32 characters, beginning with a letter.
pub fn usernames() -> SBoxedStrategy<String> {
    username(Profile::Typical).sboxed()
}

/// Returns a strategy for usernames in answers.
pub(super) fn username(profile: Profile) -> DrawStrategy<String> {
    match profile {
        Profile::Typical => value!(profile, draw_username, shorten_username::<5>),
        Profile::Extreme | Profile::Undocumented => value!(profile, draw_username, shorten::<0>),
    }
}

/// Returns a strategy for usernames that can be null.
pub(super) fn optional_username(profile: Profile) -> DrawStrategy<Option<String>> {
    optional(profile, |profile, rng| rng.in_ten(7).then(|| draw_username(profile, rng)))
}

fn draw_username(profile: Profile, rng: &mut Rng) -> String {
    if profile != Profile::Typical && rng.in_ten(5) {
        return draw_unusual_text(profile, rng);
    }
    let mut name = format!("{}_{}", rng.one_of(&WORDS), rng.one_of(&WORDS));
    if rng.in_ten(5) {
        name.push_str(&rng.between(1, 9999).to_string());
    }
    name
}

fn optional(profile: Profile, draw: fn(Profile, &mut Rng) -> Option<String>) -> DrawStrategy<Option<String>> {
    value!(profile, draw, |value, step| match value {
        None => false,
        Some(text) if step > 0 => shorten::<1>(text, step),
        Some(_) => value.take().is_some(),
    })
}

/// Returns a strategy for all valid usernames: 4 to 32 letters, digits and single underscores, beginning with a letter
/// and not ending with an underscore.
pub fn valid_usernames() -> SBoxedStrategy<Username> {
    let any_legal = value!(
        Profile::Extreme,
        |_, rng| {
            let chars = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
            let length = rng.between(4, 32);
            let mut name = String::with_capacity(32);
            for position in 1..=length {
                let allowed = match name.as_bytes().last() {
                    None => &chars[..52],
                    Some(b'_') => &chars[..62],
                    Some(_) if position == length => &chars[..62],
                    Some(_) => chars,
                };
                name.push(char::from(rng.one_of(allowed)));
            }
            name
        },
        shorten_username::<4>,
    );
    // Both draw only valid usernames, so the filter rejects none.
    prop_oneof![usernames(), any_legal].prop_filter_map("a legal username", |name| name.parse().ok()).sboxed()
}

/// Shortens a username, and removes underscores at its end.
fn shorten_username<const LEAST: usize>(name: &mut String, step: usize) -> bool {
    let mut shortened = name.clone();
    let is_shorter = shorten::<LEAST>(&mut shortened, step);
    shortened.truncate(shortened.trim_end_matches('_').len());
    let is_valid = is_shorter && shortened.len() >= LEAST;
    if is_valid {
        *name = shortened;
    }
    is_valid
}

/// Returns a strategy for typical user ids: up to ten digits.
pub fn user_ids() -> SBoxedStrategy<i64> {
    user_id(Profile::Typical).sboxed()
}

pub(super) fn user_id(profile: Profile) -> DrawStrategy<i64> {
    fn draw(profile: Profile, rng: &mut Rng) -> i64 {
        match profile {
            Profile::Typical => rng.between_signed(LEAST_USER_ID, MOST_USER_ID),
            Profile::Extreme | Profile::Undocumented => draw_extreme_id(rng),
        }
    }
    match profile {
        Profile::Typical => value!(profile, draw, approach::<LEAST_USER_ID>),
        Profile::Extreme | Profile::Undocumented => {
            value!(profile, draw, approach::<0>)
        }
    }
}

/// Returns a strategy for typical group ids.
pub fn group_ids() -> SBoxedStrategy<i64> {
    group_id(Profile::Typical).sboxed()
}

pub(super) fn group_id(profile: Profile) -> DrawStrategy<i64> {
    fn draw(profile: Profile, rng: &mut Rng) -> i64 {
        match profile {
            Profile::Typical => rng.between_signed(LEAST_GROUP_ID, 2_999_999_999),
            Profile::Extreme | Profile::Undocumented => draw_extreme_id(rng),
        }
    }
    match profile {
        Profile::Typical => value!(profile, draw, approach::<LEAST_GROUP_ID>),
        Profile::Extreme | Profile::Undocumented => {
            value!(profile, draw, approach::<0>)
        }
    }
}

/// The range of typical user ids.
pub(super) const LEAST_USER_ID: i64 = 100_000;
pub(super) const MOST_USER_ID: i64 = 8_999_999_999;
/// The smallest typical group id.
pub(super) const LEAST_GROUP_ID: i64 = 1_000_000_000;

/// Sets the simplest number, then goes half the way to it.
pub(super) fn approach<const SIMPLEST: i64>(number: &mut i64, step: usize) -> bool {
    let distance = number.checked_sub(SIMPLEST).unwrap_or(*number);
    let change = if step == 0 { distance } else { distance / 2 };
    *number -= change;
    change != 0
}

/// Returns a strategy for queries of an account: usernames and ids, including extreme ones.
pub fn user_queries() -> SBoxedStrategy<UserQuery> {
    let ids = prop_oneof![user_ids(), 1..=i64::MAX];
    prop_oneof![
        3 => valid_usernames().prop_map(UserQuery::Username),
        1 => ids.prop_filter_map("an id above zero", |id| UserId::new(id).ok()).prop_map(UserQuery::Id),
    ]
    .sboxed()
}

/// Returns a strategy for queries of similar groups: 1 to 10 usernames.
pub fn group_queries() -> SBoxedStrategy<GroupQuery> {
    proptest::collection::vec(valid_usernames(), 1..=GroupQuery::MAX_USERNAMES)
        .prop_filter_map("1 to 10 usernames", |names| GroupQuery::new(names).ok())
        .sboxed()
}

/// Returns a strategy for first and last names.
pub fn first_names(profile: Profile) -> SBoxedStrategy<String> {
    first_name(profile).sboxed()
}

pub(super) fn first_name(profile: Profile) -> DrawStrategy<String> {
    match profile {
        Profile::Typical => value!(profile, draw_first_name, shorten::<1>),
        Profile::Extreme | Profile::Undocumented => value!(profile, draw_first_name, shorten::<0>),
    }
}

/// Returns a strategy for names that can be null.
pub(super) fn optional_name(profile: Profile) -> DrawStrategy<Option<String>> {
    optional(profile, |profile, rng| rng.in_ten(7).then(|| draw_first_name(profile, rng)))
}

fn draw_first_name(profile: Profile, rng: &mut Rng) -> String {
    match profile {
        Profile::Typical => rng.one_of(&FIRST_NAMES).to_owned(),
        Profile::Extreme | Profile::Undocumented => draw_unusual_text(profile, rng),
    }
}

/// Returns a strategy for titles of groups.
pub fn titles(profile: Profile) -> SBoxedStrategy<String> {
    title(profile).sboxed()
}

pub(super) fn title(profile: Profile) -> DrawStrategy<String> {
    match profile {
        Profile::Typical => value!(profile, |_, rng| WORLD.group_title(rng), shorten::<1>),
        Profile::Extreme | Profile::Undocumented => value!(profile, draw_unusual_text, shorten::<0>),
    }
}

/// Returns a strategy for dates. Assumption: typical dates are ISO 8601; the documentation states no format.
pub fn dates(profile: Profile) -> SBoxedStrategy<String> {
    date(profile).sboxed()
}

pub(super) fn date(profile: Profile) -> DrawStrategy<String> {
    fn draw(_: Profile, rng: &mut Rng) -> String {
        Date::of_day(WORLD.day(rng)).text()
    }
    fn draw_odd(_: Profile, rng: &mut Rng) -> String {
        let odd = [
            "",
            "0000-00-00",
            "1970-01-01T00:00:00Z",
            "31.12.1999",
            "1700000000",
            "yesterday",
            "+275760-09-13",
        ];
        rng.one_of(&odd).to_owned()
    }
    match profile {
        Profile::Typical => {
            value!(profile, draw, |date, _| to(date, Date::first()))
        }
        Profile::Extreme | Profile::Undocumented => {
            value!(profile, draw_odd, |date, _| to(date, String::new()))
        }
    }
}

/// Draws an unusual string, sometimes a long one.
fn draw_unusual_text(_: Profile, rng: &mut Rng) -> String {
    let text = rng.one_of(&UNUSUAL);
    match rng.between(0, 15) {
        0 => text.repeat(50),
        1..4 => text.to_owned() + rng.one_of(&UNUSUAL),
        _ => text.to_owned(),
    }
}

/// Draws any id, often an extreme one.
pub(super) fn draw_extreme_id(rng: &mut Rng) -> i64 {
    if rng.in_ten(5) {
        rng.one_of(&[i64::MIN, -1, 0, 1, i64::MAX, 9_007_199_254_740_993])
    } else {
        rng.between_signed(i64::MIN, i64::MAX)
    }
}
