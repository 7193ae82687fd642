//! Loads the rows that a transaction needs.

use std::time::Instant;

use futures_util::join;
use tgscan_core::store::{AccountName, AccountRow, Loaded, Needs, OwnerId, Row as _};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{Connection, Parameter};
use super::error::Failure;
use super::known::Version;
use super::version::check_version;
use super::{account_bytes, hash, signed, unsigned};

/// Loads the account (kind 0), calls and questions (kind 1), calls of lost owners with their questions (kind 2), and entries
/// of the journal (kind 3). Calls and questions are those with the given ids and keys, the questions of these calls, the
/// calls that block these questions, and unresolved calls if `$5`.
///
/// The account's name is compared, because a restored database may have given its number to another account.
/// The owner's number is compared twice, so that the index skips the owner's calls, of which there are many. A lease
/// that lasts for more than an hour was written while the clock was ahead, and counts as expired. `OFFSET 0` keeps
/// the planner from reading whole tables for a join.
pub(super) const LOAD: &str = "
    SELECT 0, NULL::bigint, a.row, NULL::bytea, NULL::bytea, a.xmin::text, t.now, o.lease_until - t.now,
        (SELECT version FROM {schema}.meta)
    FROM (SELECT {now} OFFSET 0) t(now) LEFT JOIN {schema}.accounts a ON a.number = $1 AND a.name = $7
        LEFT JOIN {schema}.owners o ON o.id = $2
    UNION ALL SELECT 1, c.id, c.row, q.name, q.row, NULL, NULL, NULL, NULL
    FROM unnest($3::bigint[]) k(id), LATERAL (
        SELECT id, row, key FROM {schema}.calls WHERE account = $1 AND id = k.id OFFSET 0
    ) c LEFT JOIN LATERAL (
        SELECT name, row FROM {schema}.questions WHERE account = $1 AND key = c.key OFFSET 0
    ) q ON true
    UNION ALL SELECT 1, c.id, c.row, q.name, q.row, NULL, NULL, NULL, NULL
    FROM unnest($4::bytea[]) k(key), LATERAL (
        SELECT name, row, blocking FROM {schema}.questions WHERE account = $1 AND key = k.key OFFSET 0
    ) q LEFT JOIN LATERAL (
        SELECT id, row FROM {schema}.calls WHERE account = $1 AND id = q.blocking OFFSET 0
    ) c ON true
    UNION ALL SELECT 1, id, row, NULL, NULL, NULL, NULL, NULL, NULL
    FROM {schema}.calls WHERE $5 AND account = $1 AND is_unresolved
    UNION ALL SELECT 2, c.id, c.row, q.name, q.row, NULL, NULL, NULL, NULL
    FROM (
        SELECT c.id, c.row, c.key FROM (
            SELECT id, row, key, owner FROM {schema}.calls WHERE account = $1 AND owner < $2
            UNION ALL SELECT id, row, key, owner FROM {schema}.calls WHERE account = $1 AND owner > $2
        ) c LEFT JOIN {schema}.owners o ON o.id = c.owner
        WHERE o.id IS NULL OR o.lease_until NOT BETWEEN {now} AND {now} + 3600000 OFFSET 0
    ) c LEFT JOIN LATERAL (
        SELECT name, row FROM {schema}.questions WHERE account = $1 AND key = c.key OFFSET 0
    ) q ON true
    UNION ALL SELECT 3, number, row, NULL, NULL, NULL, NULL, NULL, NULL
    FROM {schema}.journal WHERE account = $1 AND number = ANY ($6)";

/// The loaded rows of an account.
pub(super) struct Snapshot {
    pub(super) loaded: Loaded,
    /// The remaining time of the owner's lease, in milliseconds.
    pub(super) lease_left: i64,
    pub(super) version: Version,
}

/// Begins a transaction, locks the account, and loads the needed rows, in one round trip.
pub(super) async fn load(
    connection: &Connection,
    (number, account): (i32, &AccountName),
    owner: OwnerId,
    needs: &Needs,
) -> Result<Snapshot, Failure> {
    let numbers = |ids: &[u64]| ids.iter().map(|id| signed(*id)).collect::<Vec<_>>();
    let parameters: [Parameter; 7] = [
        (Box::new(number), Type::INT4),
        (Box::new(signed(owner)), Type::INT8),
        (Box::new(numbers(&needs.calls)), Type::INT8_ARRAY),
        (Box::new(needs.questions.iter().map(|key| hash(key)).collect::<Vec<_>>()), Type::BYTEA_ARRAY),
        (Box::new(needs.unresolved), Type::BOOL),
        (Box::new(numbers(&needs.journal)), Type::INT8_ARRAY),
        (Box::new(account_bytes(account)), Type::BYTEA),
    ];
    let since = Instant::now();
    // Sent in this order, without waiting for replies.
    let (begun, mut rows) = join!(connection.begin(number), connection.query(LOAD, &parameters));
    if !begun? {
        rows = connection.query(LOAD, &parameters).await;
    }
    snapshot(&rows?, owner, since)
}

/// Parses the rows of [`LOAD`].
fn snapshot(rows: &[Row], owner: OwnerId, since: Instant) -> Result<Snapshot, Failure> {
    let is_account = |row: &&Row| row.get::<_, i32>(0) == 0;
    let account = rows.iter().find(is_account).ok_or(Failure::NoAccount)?;
    check_version(account.get(8))?;
    let (row, writer): (Option<&[u8]>, Option<String>) = (account.get(2), account.get(5));
    let (row, writer) = row.zip(writer).ok_or(Failure::NoAccount)?;
    let at = account.get(6);
    let mut loaded = Loaded { now: unsigned(at), owner, ..Loaded::default() };
    loaded.account = AccountRow::from_bytes(row)?;
    for row in rows.iter().filter(|row| !is_account(row)) {
        let (kind, id, bytes): (i32, Option<i64>, Option<&[u8]>) = (row.get(0), row.get(1), row.get(2));
        if let Some((id, bytes)) = id.map(unsigned).zip(bytes) {
            match kind {
                3 => {
                    loaded.add_journal(id, bytes);
                    continue;
                }
                2 => loaded.lost.push(id),
                _ => {}
            }
            loaded.add_call(id, bytes);
        }
        if let Some(name) = row.get::<_, Option<&[u8]>>(3) {
            let name = String::from_utf8_lossy(name).into_owned();
            loaded.add_question(name, row.get(4));
        }
    }
    let lease_left = account.get::<_, Option<i64>>(7).unwrap_or(-1);
    Ok(Snapshot { loaded, lease_left, version: Version { writer, at, since } })
}
