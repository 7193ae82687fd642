//! Parsing pasted text: an `@name`, a link or an id, possibly with invisible characters around it.

use super::InvalidQuery;

/// The meaning of a pasted text. The name or id is not validated yet.
pub(super) enum Pasted<'a> {
    /// A text without `@` and without a link: a username or an id.
    Plain(&'a str),
    /// A username, from `@name` or from a link.
    Name(&'a str),
    /// A numeric id, from `tg://user?id=…`, `tg://openmessage?user_id=…` or `t.me/@id…`.
    Id(&'a str),
}

/// Hosts of Telegram's own links. Source: "Deep links" at core.telegram.org/api/links; Telegram's FAQ adds `telegram.dog`.
const HOSTS: [&str; 3] = ["t.me", "telegram.me", "telegram.dog"];

/// First path segments of links that name no user or group, and the kind of each link.
///
/// Source: "Deep links" at core.telegram.org/api/links. `tg:` links use the same names.
const OTHER_LINKS: [(&str, &str); 32] = [
    ("addemoji", "a link to an emoji set"),
    ("addlist", "a link to a chat folder"),
    ("addstickers", "a link to a sticker set"),
    ("addtheme", "a link to a theme"),
    ("auction", "a link to an auction"),
    ("bg", "a link to a background"),
    ("boost", "a boost link"),
    ("c", "a link into a private chat"),
    ("call", "a link to a call"),
    ("confirmphone", "a link that confirms a phone number"),
    ("contact", "a temporary contact link"),
    ("giftcode", "a gift link"),
    ("invoice", "a link to an invoice"),
    ("iv", "a link to an instant view"),
    ("join", "an invite link"),
    ("joinchat", "an invite link"),
    ("login", "a login link"),
    ("m", "a business chat link"),
    ("message", "a business chat link"),
    ("msg", "a share link"),
    ("msg_url", "a share link"),
    ("nft", "a link to a collectible"),
    ("openmessage", "a link into a private chat"),
    ("passport", "a passport link"),
    ("premium_offer", "a link into the app"),
    ("privatepost", "a link into a private chat"),
    ("proxy", "a proxy link"),
    ("restore_purchases", "a link into the app"),
    ("setlanguage", "a link to a language"),
    ("settings", "a link into the app"),
    ("share", "a share link"),
    ("socks", "a proxy link"),
];

/// Parses a pasted text.
pub(super) fn read(text: &str) -> Result<Pasted<'_>, InvalidQuery> {
    let text = trim(text);
    if is_phone_number(text) {
        return Err(InvalidQuery::phone_number());
    }
    if let Some(link) = strip_prefix_ignoring_case(text, "tg:") {
        return app_link(link.trim_start_matches('/'));
    }
    let schemed =
        strip_prefix_ignoring_case(text, "https://").or_else(|| strip_prefix_ignoring_case(text, "http://"));
    let link = schemed.unwrap_or(text);
    let link = strip_prefix_ignoring_case(link, "www.").unwrap_or(link);
    let (host, rest) = link.split_at(link.find(['/', '?', '#']).unwrap_or(link.len()));
    if HOSTS.iter().any(|telegram| host.eq_ignore_ascii_case(telegram)) {
        return web_link(rest);
    }
    if let Some(name) = strip_suffix_ignoring_case(host, ".t.me") {
        return named(name);
    }
    match text.strip_prefix('@') {
        _ if schemed.is_some() => Err(InvalidQuery::link("the link does not lead to Telegram")),
        Some("") => {
            Err(InvalidQuery::new("there is no username after the `@`; use one, like `@some_username`"))
        }
        Some(name) => Ok(Pasted::Name(name)),
        None => Ok(Pasted::Plain(text)),
    }
}

/// Parses the part of a link after the host, such as `/name/123?comment=4`.
fn web_link(rest: &str) -> Result<Pasted<'_>, InvalidQuery> {
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let mut parts = path.split('/').skip_while(|part| part.is_empty());
    let first = parts.next().unwrap_or_default();
    // `/s/` is the preview of a public group in a browser.
    let name = if first.eq_ignore_ascii_case("s") { parts.next().unwrap_or_default() } else { first };
    named(name)
}

/// Parses the part of a link after `tg://`, such as `resolve?domain=name`.
fn app_link(link: &str) -> Result<Pasted<'_>, InvalidQuery> {
    let (command, query) = link.split_once('?').unwrap_or((link, ""));
    let value = |name| query.split(['&', '#']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let command = command.trim_end_matches('/').to_ascii_lowercase();
    let id = match command.as_str() {
        "resolve" if value("phone").is_some() => return Err(InvalidQuery::phone_number()),
        "resolve" => return named(value("domain").unwrap_or_default()),
        "user" => value("id"),
        "openmessage" => value("user_id"),
        _ => None,
    };
    id.map(Pasted::Id).ok_or_else(|| other_link(&command).unwrap_or_else(without_name))
}

/// Parses the part of a link that names a user or group.
///
/// Telegram's apps link a user without a username as `t.me/@id…` (Telegram-iOS issue 403). A username in a link has no `@`.
fn named(part: &str) -> Result<Pasted<'_>, InvalidQuery> {
    let mention = part.strip_prefix('@').or_else(|| part.strip_prefix("%40"));
    let id = mention.and_then(|mention| strip_prefix_ignoring_case(mention, "id"));
    if let Some(id) = id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(Pasted::Id(id));
    }
    let part = mention.unwrap_or(part);
    if let Some(rest) = part.strip_prefix('+').or_else(|| strip_prefix_ignoring_case(part, "%2b")) {
        let is_number = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
        return Err(if is_number { InvalidQuery::phone_number() } else { other("an invite link") });
    }
    if part.starts_with('$') {
        return Err(other("a link to an invoice"));
    }
    if part.is_empty() {
        return Err(without_name());
    }
    if part.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidQuery::link("the link has a number instead of a username"));
    }
    other_link(part).map_or(Ok(Pasted::Name(part)), Err)
}

fn other_link(part: &str) -> Option<InvalidQuery> {
    let (_, kind) = OTHER_LINKS.iter().find(|(first, _)| part.eq_ignore_ascii_case(first))?;
    Some(other(kind))
}

fn other(kind: &str) -> InvalidQuery {
    InvalidQuery::link(&format!("this is {kind}, which contains no username"))
}

fn without_name() -> InvalidQuery {
    InvalidQuery::link("the link contains no username")
}

/// Returns whether the text is written like a phone number: with a plus sign, or with separators between digits.
///
/// Digits alone can be an id. A phone number sent as digits would pay for the user with that id.
fn is_phone_number(text: &str) -> bool {
    let text = strip_prefix_ignoring_case(text, "tel:").unwrap_or(text);
    let unsigned = text.strip_prefix(['+', '\u{ff0b}']);
    let rest = unsigned.unwrap_or(text);
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let is_separator =
        |c: char| matches!(c, '-' | '\u{2010}'..='\u{2014}' | '.' | '(' | ')' | '/') || is_blank(c);
    rest.chars().all(|c| c.is_ascii_digit() || is_separator(c))
        && match unsigned {
            Some(_) => digits > 0,
            None => {
                rest.starts_with(|c: char| c == '(' || c.is_ascii_digit())
                    && digits >= 7
                    && digits < rest.len()
            }
        }
}

/// Removes the invisible characters around a copied text: white space, a byte order mark, zero-width and direction
/// marks.
fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        )
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::OTHER_LINKS;
    use crate::{GroupQuery, UserId, UserQuery, Username};

    fn refusal(text: &str) -> String {
        let error = text.parse::<UserQuery>().expect_err(text);
        assert_eq!(text.parse::<Username>().expect_err(text), error, "{text}");
        error.to_string()
    }

    #[test]
    fn refuses_phone_numbers() {
        for phone in [
            "+49 170 1234567",
            "+491701234567",
            " +491701234567\n",
            "\u{202a}+49 170 1234567\u{202c}",
            "+49 (170) 123-45-67",
            "+49\u{a0}170\u{a0}1234567",
            "\u{ff0b}491701234567",
            "+5",
            "tel:+491701234567",
            "0170 1234567",
            "(0170) 1234567",
            "0170/1234567",
            "170-123-4567",
            "t.me/+491701234567",
            "https://t.me/+491701234567?text=hello",
            "t.me/%2B491701234567",
            "tg://resolve?phone=491701234567",
        ] {
            let says = refusal(phone);
            assert!(says.contains("phone number") && says.contains("username"), "{phone}: {says}");
            assert!(!says.contains("digits only"), "{phone}: {says}");
            phone.parse::<GroupQuery>().expect_err(phone);
        }
        for phone in ["+491701234567", "+49 170 1234567", "0170 1234567", "01701234567", "00491701234567"] {
            let says = phone.parse::<UserId>().expect_err(phone).to_string();
            assert!(says.contains("phone number"), "{phone}: {says}");
            assert_eq!(phone.parse::<UserQuery>().expect_err(phone).to_string(), says);
        }
    }

    #[test]
    fn refuses_links_without_a_username() {
        for (first, kind) in OTHER_LINKS {
            for link in [format!("t.me/{first}/AbCdEf?x=1"), first.to_uppercase() + ".t.me"] {
                assert!(refusal(&link).contains(kind), "{link}");
            }
        }
        for (link, kind) in [
            ("https://t.me/+AbCdEf", "an invite link"),
            ("t.me/+", "an invite link"),
            ("tg://join?invite=AbCdEf", "an invite link"),
            ("tg://privatepost?channel=123&post=45", "a link into a private chat"),
            ("t.me/$AbCdEf", "an invoice"),
            ("tg:settings/devices", "contains no username"),
            ("tg://settings", "into the app"),
            ("t.me/s/", "contains no username"),
            ("t.me", "contains no username"),
            ("https://t.me//?start=1", "contains no username"),
            ("tg://resolve?start=1", "contains no username"),
            ("t.me/491701234567", "a number instead of"),
            ("https://example.com/some_name", "does not lead to Telegram"),
            ("https://web.telegram.org/k/#@some_name", "does not lead to Telegram"),
            ("http://t.me.example.com/some_name", "does not lead to Telegram"),
        ] {
            let says = refusal(link);
            assert!(says.contains(kind) && says.contains("t.me/some_username"), "{link}: {says}");
        }
    }

    #[test]
    fn accepts_pasted_forms() {
        for pasted in [
            "Some_Name1",
            "@Some_Name1",
            "  @Some_Name1\r\n",
            "\u{feff}Some_Name1",
            "\u{200b}\u{2066}@Some_Name1\u{2069}\u{200d}",
            "\u{a0}Some_Name1\u{3000}",
            "t.me/Some_Name1",
            "t.me/@Some_Name1",
            "www.t.me/Some_Name1",
            "https://t.me/Some_Name1",
            "http://t.me/Some_Name1/",
            "HTTPS://WWW.T.me/Some_Name1//",
            "t.me/Some_Name1/123",
            "t.me/Some_Name1/123/456?comment=7",
            "t.me/Some_Name1/s/12",
            "t.me/Some_Name1?start=1",
            "https://t.me/Some_Name1#fragment",
            "https://t.me/s/Some_Name1",
            "https://t.me/s/Some_Name1/123?before=4",
            "telegram.me/Some_Name1",
            "https://telegram.dog/Some_Name1",
            "Some_Name1.t.me",
            "https://Some_Name1.T.me/123",
            "https://www.Some_Name1.t.me",
            "tg://resolve?domain=Some_Name1",
            "tg:resolve?domain=Some_Name1&post=123",
            "tg://resolve?domain=@Some_Name1",
            "TG://Resolve?start=x&domain=Some_Name1",
            "tg://resolve/?domain=Some_Name1",
        ] {
            assert_eq!(pasted.parse::<Username>().expect(pasted).as_str(), "Some_Name1", "{pasted}");
            assert!(matches!(pasted.parse(), Ok(UserQuery::Username(_))), "{pasted}");
        }
        let both: GroupQuery = " @Some_Name1 , https://t.me/s/Other_Name\n".parse().unwrap();
        assert_eq!(both.usernames().collect::<Vec<_>>(), ["Some_Name1", "Other_Name"]);
    }

    #[test]
    fn accepts_pasted_ids() {
        let id = UserId::new(136_817_688).unwrap();
        for pasted in [
            "136817688",
            " 136817688\n",
            "\u{feff}136817688\u{200b}",
            "tg://user?id=136817688",
            "tg:user?id=136817688",
            "tg://openmessage?user_id=136817688",
            "TG://OpenMessage/?message_id=1&user_id=136817688",
            "t.me/@id136817688",
            "https://t.me/@ID136817688?x=1",
            "t.me/%40id136817688",
            "tg://resolve?domain=@id136817688",
        ] {
            assert_eq!(pasted.parse(), Ok(id), "{pasted}");
            assert_eq!(pasted.parse(), Ok(UserQuery::Id(id)), "{pasted}");
        }
        let says = "tg://user?id=136817688".parse::<Username>().unwrap_err().to_string();
        assert!(says.contains("numeric id"), "{says}");
        assert!("@some_name".parse::<UserId>().is_err() && "tg://user".parse::<UserQuery>().is_err());
    }
}
