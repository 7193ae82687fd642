//! Between rows and the types of the contract.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tgscan_core::Credits;
use tgscan_core::store::{
    AccountBook, CallState, Claim, ClaimRequest, MethodBook, Question, Settlement, StoreCapReached,
    StoredAnswer, StoredCall,
};
use tokio_postgres::{Error, GenericClient, Row};

/// A number as the database has it: at most `i64::MAX`.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn age(row: &Row) -> Duration {
    Duration::from_millis(unsigned(row.get::<_, Option<i64>>("age").unwrap_or_default()))
}

/// What the function `claim` says. `None` for a kind that this program does not know.
pub(super) fn claim(row: &Row, request: &ClaimRequest) -> Option<Claim> {
    let call = unsigned(row.get::<_, Option<i64>>("call").unwrap_or_default());
    let credits = |name| row.get::<_, Option<i64>>(name).map(unsigned);
    Some(match row.get::<_, i16>("kind") {
        0 => Claim::Granted(call),
        1 => Claim::Stored(StoredAnswer::new(
            u16::try_from(row.get::<_, i16>("status")).unwrap_or(200),
            Bytes::from(row.get::<_, Vec<u8>>("body")),
            cost(row.get("answer_cost"), credits("charged")),
            age(row),
        )),
        2 => Claim::InFlight { age: age(row) },
        3 => Claim::Uncertain { call, age: age(row), charged: credits("charged") },
        4 => Claim::CapReached(StoreCapReached::new(
            request.cap.map_or(u64::MAX, |cap| cap.credits),
            credits("charged").unwrap_or_default(),
            credits("in_flight").unwrap_or_default(),
            credits("uncertain").unwrap_or_default(),
            credits("price"),
            row.get("in_flight_is_open"),
            row.get("uncertain_is_open"),
        )),
        5 => Claim::NotStored,
        _ => return None,
    })
}

fn cost(kind: i16, credits: Option<u64>) -> Credits {
    match kind {
        0 => Credits::NotCharged,
        1 => Credits::Charged(credits.unwrap_or_default()),
        _ => Credits::Uncertain,
    }
}

/// How a call ended, as the function `settle` takes it.
pub(super) struct Ending {
    pub(super) kind: i16,
    pub(super) cost: i16,
    pub(super) credits: i64,
    pub(super) status: Option<i16>,
    pub(super) body: Option<Bytes>,
}

impl From<&Settlement> for Ending {
    fn from(settlement: &Settlement) -> Self {
        let ending = |kind, (cost, credits)| Self { kind, cost, credits, status: None, body: None };
        match settlement {
            Settlement::NotCharged => ending(0, (0, 0)),
            Settlement::Unanswered(Some(credits)) => ending(2, (1, number(*credits))),
            Settlement::Unanswered(None) => ending(2, (2, 0)),
            Settlement::Answered { status, body, credits } => Self {
                status: Some(i16::try_from(*status).unwrap_or(200)),
                body: Some(body.clone()),
                ..ending(
                    1,
                    match credits {
                        Credits::NotCharged => (0, 0),
                        Credits::Charged(credits) => (1, number(*credits)),
                        Credits::Uncertain => (2, 0),
                    },
                )
            },
        }
    }
}

/// [`CallState`] as its number in the database.
pub(super) fn state_number(state: CallState) -> i16 {
    match state {
        CallState::InFlight => 0,
        CallState::Answered => 1,
        CallState::AnsweredUncertain => 2,
        CallState::Unanswered => 4,
        CallState::Settled => 5,
        _ => 3,
    }
}

fn state(number: i16) -> CallState {
    match number {
        0 => CallState::InFlight,
        1 => CallState::Answered,
        2 => CallState::AnsweredUncertain,
        4 => CallState::Unanswered,
        5 => CallState::Settled,
        _ => CallState::Uncertain,
    }
}

/// A row of `calls`, whose age is measured from `now`.
pub(super) fn call(row: &Row, now: i64) -> StoredCall {
    let claimed_at = Duration::from_millis(unsigned(row.get("claimed_at")));
    let mut call = StoredCall::new(
        unsigned(row.get("id")),
        row.get::<_, String>("account"),
        row.get::<_, String>("method"),
        SystemTime::UNIX_EPOCH.checked_add(claimed_at).unwrap_or(SystemTime::UNIX_EPOCH),
        state(row.get("state")),
        unsigned(row.get("charged")),
    );
    let form: Option<String> = row.get("form");
    call.question = form.map(|form| Question::new(&call.account, row.get("is_live"), &call.method, form));
    let body: Option<Vec<u8>> = row.get("answer");
    call.answer = body.map(|body| {
        let since = now.saturating_sub(row.get::<_, Option<i64>>("answered_at").unwrap_or(now));
        StoredAnswer::new(
            u16::try_from(row.get::<_, Option<i16>>("status").unwrap_or(200)).unwrap_or(200),
            Bytes::from(body),
            cost(
                row.get::<_, Option<i16>>("answer_cost").unwrap_or(2),
                row.get::<_, Option<i64>>("answer_credits").map(unsigned),
            ),
            Duration::from_millis(unsigned(since)),
        )
    });
    call
}

/// The totals of an account; locked, if the client is a transaction that wants to change them.
pub(super) async fn load(
    client: &impl GenericClient,
    account: &str,
    lock: bool,
) -> Result<AccountBook, Error> {
    let select = if lock {
        client
            .execute("INSERT INTO accounts (account) VALUES ($1) ON CONFLICT DO NOTHING", &[&account])
            .await?;
        "SELECT * FROM accounts WHERE account = $1 FOR UPDATE"
    } else {
        "SELECT * FROM accounts WHERE account = $1"
    };
    let mut book = AccountBook::default();
    let Some(row) = client.query_opt(select, &[&account]).await? else { return Ok(book) };
    book.charged = unsigned(row.get("charged"));
    book.unexplained = unsigned(row.get("unexplained"));
    let balance: Option<i64> = row.get("balance");
    book.baseline = balance
        .map(|balance| (balance, unsigned(row.get::<_, Option<i64>>("balance_charged").unwrap_or_default())));
    book.revision = unsigned(row.get("revision"));
    book.reconciled = unsigned(row.get("reconciled"));
    book.last_call = unsigned(row.get("last_call"));
    book.stranded_up_to = unsigned(row.get("stranded_up_to"));
    book.last_uncertain_at = row.get::<_, Option<i64>>("last_uncertain_at").map(unsigned);
    let rows = client.query("SELECT * FROM books WHERE account = $1 ORDER BY method", &[&account]).await?;
    book.methods = rows
        .iter()
        .map(|row| {
            MethodBook::new(
                row.get::<_, String>("method"),
                row.get::<_, Option<i64>>("price").map(unsigned),
                unsigned(row.get("in_flight")),
                unsigned(row.get("uncertain")),
                unsigned(row.get("stranded")),
            )
        })
        .collect();
    Ok(book)
}

/// Writes the totals of an account back.
pub(super) async fn save(
    client: &impl GenericClient,
    account: &str,
    book: &AccountBook,
) -> Result<(), Error> {
    let (balance, balance_charged) = match book.baseline {
        Some((balance, charged)) => (Some(balance), Some(number(charged))),
        None => (None, None),
    };
    client
        .execute(
            "UPDATE accounts SET charged = $2, unexplained = $3, balance = $4, balance_charged = $5, revision = $6,
                 reconciled = $7, last_call = $8, stranded_up_to = $9, last_uncertain_at = $10
             WHERE account = $1",
            &[
                &account,
                &number(book.charged),
                &number(book.unexplained),
                &balance,
                &balance_charged,
                &number(book.revision),
                &number(book.reconciled),
                &number(book.last_call),
                &number(book.stranded_up_to),
                &book.last_uncertain_at.map(number),
            ],
        )
        .await?;
    for method in &book.methods {
        client
            .execute(
                "UPDATE books SET price = $3, in_flight = $4, uncertain = $5, stranded = $6
                 WHERE account = $1 AND method = $2",
                &[
                    &account,
                    &method.method,
                    &method.price.map(number),
                    &number(method.in_flight),
                    &number(method.uncertain),
                    &number(method.stranded),
                ],
            )
            .await?;
    }
    Ok(())
}
