//! Strategies for the values that several methods share.

use proptest::prelude::Strategy;
use proptest::prop_oneof;
use proptest::strategy::SBoxedStrategy;
use tgscan_core::types::{GroupQuery, UserId, UserQuery, Username};

use super::drawn::WORLD;
use super::leaf::{Dice, Leaf, shorter};
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

/// What titles go on with.
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

/// Usernames as they are: 5 to 32 characters, beginning with a letter.
pub fn usernames() -> SBoxedStrategy<String> {
    username(Profile::Typical).sboxed()
}

/// Usernames inside answers.
pub(super) fn username(profile: Profile) -> Leaf<String> {
    match profile {
        Profile::Typical => Leaf::new(profile, draw_username, shorter_username::<5>),
        Profile::Extreme | Profile::Undocumented => Leaf::new(profile, draw_username, shorter::<0>),
    }
}

/// Usernames that may be null.
pub(super) fn optional_username(profile: Profile) -> Leaf<Option<String>> {
    optional(profile, |profile, dice| dice.in_ten(7).then(|| draw_username(profile, dice)))
}

fn draw_username(profile: Profile, dice: &mut Dice) -> String {
    if profile != Profile::Typical && dice.in_ten(5) {
        return draw_nasty_text(profile, dice);
    }
    let (one, other) = (dice.one_of(&WORDS), dice.one_of(&WORDS));
    let mut name = String::with_capacity(one.len() + other.len() + 5);
    name.push_str(one);
    name.push('_');
    name.push_str(other);
    if dice.in_ten(5) {
        push_number(&mut name, dice.between(1, 9999), 1);
    }
    name
}

fn optional(profile: Profile, draw: fn(Profile, &mut Dice) -> Option<String>) -> Leaf<Option<String>> {
    Leaf::new(profile, draw, |text, way| match (text, way) {
        (None, _) => None,
        (Some(_), 0) => Some(None),
        (Some(text), way) => shorter::<1>(text, way).map(Some),
    })
}

/// In decimal, with zeros in front up to a width. The standard library's formatting costs more than all else here.
pub(super) fn push_number(text: &mut String, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while number > 0 {
        first -= 1;
        digits[first] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    let first = first.min(digits.len() - width);
    text.extend(digits[first..].iter().map(|digit| char::from(*digit)));
}

/// Every username that may be sent, typical or not: 4 to 32 letters, digits and single underscores, beginning with a letter
/// and not ending with an underscore.
pub fn valid_usernames() -> SBoxedStrategy<Username> {
    let any_legal = Leaf::new(
        Profile::Extreme,
        |_, dice| {
            let chars = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
            let length = dice.between(4, 32);
            let mut name = String::with_capacity(32);
            for position in 1..=length {
                let allowed = match name.as_bytes().last() {
                    None => &chars[..52],
                    Some(b'_') => &chars[..62],
                    Some(_) if position == length => &chars[..62],
                    Some(_) => chars,
                };
                name.push(char::from(dice.one_of(allowed)));
            }
            name
        },
        shorter_username::<4>,
    );
    // Both draw only what `Username` accepts, so nothing is ever filtered out.
    prop_oneof![usernames(), any_legal].prop_filter_map("a legal username", |name| name.parse().ok()).sboxed()
}

/// A shorter username that does not end with an underscore.
fn shorter_username<const LEAST: usize>(name: &String, way: u8) -> Option<String> {
    let shortened = shorter::<LEAST>(name, way)?;
    let shortened = shortened.trim_end_matches('_');
    (shortened.len() >= LEAST).then(|| shortened.to_owned())
}

/// Numeric ids of accounts, as they are: up to ten digits.
pub fn user_ids() -> SBoxedStrategy<i64> {
    user_id(Profile::Typical).sboxed()
}

pub(super) fn user_id(profile: Profile) -> Leaf<i64> {
    fn draw(profile: Profile, dice: &mut Dice) -> i64 {
        match profile {
            Profile::Typical => dice.between_signed(LEAST_USER_ID, MOST_USER_ID),
            Profile::Extreme | Profile::Undocumented => draw_extreme_id(dice),
        }
    }
    match profile {
        Profile::Typical => Leaf::new(profile, draw, |id, way| nearer(*id, LEAST_USER_ID, way)),
        Profile::Extreme | Profile::Undocumented => {
            Leaf::new(profile, draw, |number, way| nearer(*number, 0, way))
        }
    }
}

/// Numeric ids of groups, as they are.
pub fn group_ids() -> SBoxedStrategy<i64> {
    group_id(Profile::Typical).sboxed()
}

pub(super) fn group_id(profile: Profile) -> Leaf<i64> {
    fn draw(profile: Profile, dice: &mut Dice) -> i64 {
        match profile {
            Profile::Typical => dice.between_signed(LEAST_GROUP_ID, 2_999_999_999),
            Profile::Extreme | Profile::Undocumented => draw_extreme_id(dice),
        }
    }
    match profile {
        Profile::Typical => Leaf::new(profile, draw, |id, way| nearer(*id, LEAST_GROUP_ID, way)),
        Profile::Extreme | Profile::Undocumented => {
            Leaf::new(profile, draw, |number, way| nearer(*number, 0, way))
        }
    }
}

/// The ids of people: up to ten digits.
pub(super) const LEAST_USER_ID: i64 = 100_000;
pub(super) const MOST_USER_ID: i64 = 8_999_999_999;
/// The ids of groups begin here.
pub(super) const LEAST_GROUP_ID: i64 = 1_000_000_000;

/// The simplest number, then half the way there.
fn nearer(number: i64, simplest: i64, way: u8) -> Option<i64> {
    let way_back = number.checked_sub(simplest).unwrap_or(number);
    let step = if way == 0 { way_back } else { way_back / 2 };
    (step != 0).then(|| number - step)
}

/// Queries for an account: usernames and ids, the extreme ones included.
pub fn user_queries() -> SBoxedStrategy<UserQuery> {
    let ids = prop_oneof![user_ids(), 1..=i64::MAX];
    prop_oneof![
        3 => valid_usernames().prop_map(UserQuery::Username),
        1 => ids.prop_filter_map("an id above zero", |id| UserId::new(id).ok()).prop_map(UserQuery::Id),
    ]
    .sboxed()
}

/// Queries for similar groups: 1 to 10 usernames.
pub fn group_queries() -> SBoxedStrategy<GroupQuery> {
    proptest::collection::vec(valid_usernames(), 1..=GroupQuery::MAX_USERNAMES)
        .prop_filter_map("1 to 10 usernames", |names| GroupQuery::new(names).ok())
        .sboxed()
}

/// First and last names.
pub fn first_names(profile: Profile) -> SBoxedStrategy<String> {
    first_name(profile).sboxed()
}

pub(super) fn first_name(profile: Profile) -> Leaf<String> {
    match profile {
        Profile::Typical => Leaf::new(profile, draw_first_name, shorter::<1>),
        Profile::Extreme | Profile::Undocumented => Leaf::new(profile, draw_first_name, shorter::<0>),
    }
}

/// Names that may be null.
pub(super) fn optional_name(profile: Profile) -> Leaf<Option<String>> {
    optional(profile, |profile, dice| dice.in_ten(7).then(|| draw_first_name(profile, dice)))
}

fn draw_first_name(profile: Profile, dice: &mut Dice) -> String {
    match profile {
        Profile::Typical => dice.one_of(&FIRST_NAMES).to_owned(),
        Profile::Extreme | Profile::Undocumented => draw_nasty_text(profile, dice),
    }
}

/// Titles of groups.
pub fn titles(profile: Profile) -> SBoxedStrategy<String> {
    title(profile).sboxed()
}

pub(super) fn title(profile: Profile) -> Leaf<String> {
    match profile {
        Profile::Typical => Leaf::new(profile, |_, dice| WORLD.group_title(dice), shorter::<1>),
        Profile::Extreme | Profile::Undocumented => Leaf::new(profile, draw_nasty_text, shorter::<0>),
    }
}

/// Dates. Assumption: the typical ones are ISO 8601 dates; the documentation states no format.
pub fn dates(profile: Profile) -> SBoxedStrategy<String> {
    date(profile).sboxed()
}

pub(super) fn date(profile: Profile) -> Leaf<String> {
    fn draw(_: Profile, dice: &mut Dice) -> String {
        Date::of_day(WORLD.day(dice)).text()
    }
    fn draw_odd(_: Profile, dice: &mut Dice) -> String {
        let odd = [
            "",
            "0000-00-00",
            "1970-01-01T00:00:00Z",
            "31.12.1999",
            "1700000000",
            "yesterday",
            "+275760-09-13",
        ];
        dice.one_of(&odd).to_owned()
    }
    match profile {
        Profile::Typical => {
            Leaf::new(profile, draw, |date, _| Some(Date::first()).filter(|first| first != date))
        }
        Profile::Extreme | Profile::Undocumented => {
            Leaf::new(profile, draw_odd, |date, _| (!date.is_empty()).then(String::new))
        }
    }
}

/// Unpleasant texts, some of them long.
fn draw_nasty_text(_: Profile, dice: &mut Dice) -> String {
    let text = dice.one_of(&NASTY);
    match dice.between(0, 15) {
        0 => text.repeat(50),
        1..4 => text.to_owned() + dice.one_of(&NASTY),
        _ => text.to_owned(),
    }
}

/// Any id, the extreme ones often.
fn draw_extreme_id(dice: &mut Dice) -> i64 {
    if dice.in_ten(5) {
        dice.one_of(&[i64::MIN, -1, 0, 1, i64::MAX, 9_007_199_254_740_993])
    } else {
        dice.between_signed(i64::MIN, i64::MAX)
    }
}

/// Balances: none often, in the hostile profile also debts.
pub(super) fn balance(profile: Profile) -> Leaf<i64> {
    fn draw(profile: Profile, dice: &mut Dice) -> i64 {
        match profile {
            Profile::Typical if dice.in_ten(5) => 0,
            Profile::Typical => dice.between_signed(1, 99_999),
            Profile::Extreme | Profile::Undocumented => draw_extreme_id(dice),
        }
    }
    Leaf::new(profile, draw, |number, way| nearer(*number, 0, way))
}

/// Counts beyond what is listed, the extreme ones often.
pub(super) fn more(profile: Profile) -> Leaf<u64> {
    let draw = |_, dice: &mut Dice| dice.one_of(&[0, 1, u64::from(u32::MAX), u64::MAX]);
    Leaf::new(profile, draw, |count, way| less(*count, way))
}

/// Members of a group, the extreme ones often.
pub(super) fn num_users(profile: Profile) -> Leaf<u64> {
    let draw = |_, dice: &mut Dice| dice.one_of(&[0, u64::MAX, 1, 9]);
    Leaf::new(profile, draw, |count, way| less(*count, way))
}

/// None, then half of it.
fn less(count: u64, way: u8) -> Option<u64> {
    let simpler = if way == 0 { 0 } else { count / 2 };
    (count > 0).then_some(simpler)
}

/// Lengths of lists, from none to huge.
pub(super) fn lengths(usual: usize) -> proptest::collection::SizeRange {
    (0..=usual * 10).into()
}
