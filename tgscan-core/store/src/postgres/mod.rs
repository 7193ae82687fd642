//! A store in PostgreSQL, for any number of processes and machines.

mod rows;
mod session;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tgscan_core::store::{
    AccountBook, BillRow, CallId, CallState, Claim, ClaimRequest, Erased, Person, ReconcileStart, Settlement,
    Store, StoreError, StoreReconciliation, StoredCall,
};
use tgscan_core::types::UserQuery;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Transaction};

use crate::oneshot;
use rows::{Ending, call, load, millis, number, save, state_number, unsigned};
use session::{Session, Target};

/// How many rows are held in memory at once.
const PAGE: i64 = 500;
/// After how many claims some expired answers are removed, and how many.
const EXPIRE_EVERY: u32 = 256;
const EXPIRE: i32 = 512;

/// A store in `PostgreSQL`, for any number of processes and machines that share an account.
///
/// A claim and a settlement are one round trip and one transaction each, so a paid call takes two. Each open store holds
/// an advisory lock on its connection: when the process dies or the connection breaks, the server frees the lock, and
/// the calls in flight are uncertain for everyone. A store whose connection broke connects anew with the next call; what
/// it has in flight can still be settled.
///
/// Calls of one account are claimed and settled one after the other, so its limit is how often the server flushes its
/// log, about a thousand times per second on common disks. Times are the server's.
///
/// Needs `PostgreSQL` 11 or newer, and the right to create a schema, or a schema of its own that is empty.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    session: Mutex<Option<Arc<Session>>>,
    runtime: Handle,
    claims: AtomicU32,
}

impl PostgresStore {
    /// Connects to `postgres://user:password@host/database`, and creates the tables in the schema `tgscan` if there are
    /// none. Call it in a tokio runtime, which then drives the connection.
    ///
    /// TLS is used, and the certificate checked against Mozilla's roots, unless the server is on this machine or the URL
    /// says `sslmode=disable`.
    ///
    /// # Errors
    /// If the URL is invalid, the server cannot be reached or refuses, or the tables are of a newer version. No error
    /// shows the password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_to_schema(url, "tgscan").await
    }

    /// As [`connect`](Self::connect), with the tables in another schema.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and if the name has other characters than `a-z`, `0-9` and `_`.
    pub async fn connect_to_schema(url: &str, schema: &str) -> Result<Self, StoreError> {
        let target = Target::parse(url, schema)?;
        let session = target.connect().await?;
        let shared = Shared {
            target,
            session: Mutex::new(Some(Arc::new(session))),
            runtime: Handle::current(),
            claims: AtomicU32::new(0),
        };
        let store = Self { shared: Arc::new(shared) };
        store.bury().await?;
        store.expire_some(EXPIRE).await?;
        Ok(store)
    }

    /// Turns calls in flight into uncertain ones whose owner is gone.
    async fn bury(&self) -> Result<(), StoreError> {
        let session = self.shared.session().await?;
        // In a subquery, because a lock is taken only after what is selected beside it was computed.
        let bury = "WITH locked AS MATERIALIZED (SELECT account FROM accounts ORDER BY account FOR UPDATE)
                    SELECT bury(account, $1, now_ms()) FROM locked";
        let buried = session.client.execute(bury, &[&session.owner]).await;
        buried.map(drop).map_err(|error| self.shared.explain(&error))
    }

    async fn expire_some(&self, limit: i32) -> Result<u64, StoreError> {
        let session = self.shared.session().await?;
        let removed = session.client.query_one("SELECT expire($1)", &[&limit]).await;
        Ok(unsigned(removed.map_err(|error| self.shared.explain(&error))?.get(0)))
    }
}

impl Shared {
    /// The connection, or a new one if it broke.
    async fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut session = self.session.lock().await;
        match &*session {
            Some(session) if !session.client.is_closed() => Ok(session.clone()),
            _ => {
                let target = self.target.clone();
                let connected = Arc::new(self.run(async move { target.connect().await }).await?);
                *session = Some(connected.clone());
                Ok(connected)
            }
        }
    }

    /// Runs work that needs the runtime, whatever runtime the caller has.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.runtime.spawn(work).await;
        done.unwrap_or_else(|_| Err(StoreError::new("the runtime of the store has ended")))
    }

    /// A connection for a transaction of several statements, which calls must not get between.
    async fn separate(&self) -> Result<tokio_postgres::Client, StoreError> {
        let target = self.target.clone();
        self.run(async move { target.connect_apart().await }).await
    }

    fn explain(&self, error: &Error) -> StoreError {
        explain(&self.target.name(), error)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        let session = self.session().await?;
        let question = &request.question;
        let (cap, reserve) = match &request.cap {
            Some(cap) => (
                Some(number(cap.credits)),
                match cap.reserve {
                    tgscan_core::Reserve::PerCall(credits) => Some(number(credits)),
                    tgscan_core::Reserve::OneAtATime => None,
                },
            ),
            None => (None, None),
        };
        let row = session
            .client
            .query_one(
                &session.claim,
                &[
                    &question.key(),
                    &question.account,
                    &question.is_live,
                    &question.method,
                    &question.form,
                    &request.max_age.map(millis),
                    &millis(request.keep_for),
                    &request.stored_only,
                    &cap,
                    &reserve,
                    &request.pay_again_after.map(millis),
                    &session.owner,
                ],
            )
            .await
            .map_err(|error| self.explain(&error))?;
        rows::claim(&row, request)
            .ok_or_else(|| StoreError::new(format!("{}: an unknown answer to a claim", self.target.name())))
    }

    async fn settle(&self, call: CallId, settlement: &Settlement) -> Result<(), StoreError> {
        let session = self.session().await?;
        let ending = Ending::from(settlement);
        let settled = session
            .client
            .execute(
                &session.settle,
                &[
                    &number(call),
                    &ending.kind,
                    &ending.cost,
                    &ending.credits,
                    &ending.status,
                    &ending.body.as_deref(),
                ],
            )
            .await;
        if let Err(error) = settled {
            // Without its owner the call is uncertain, and not in flight for ever.
            let mut current = self.session.lock().await;
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &session)) {
                *current = None;
            }
            return Err(self.explain(&error));
        }
        Ok(())
    }

    /// Settles a call that nobody waits for, however long that takes.
    fn settle_later(self: &Arc<Self>, call: CallId, settlement: Settlement) {
        let shared = self.clone();
        self.runtime.spawn(async move {
            let mut pause = Duration::from_millis(50);
            while shared.settle(call, &settlement).await.is_err() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(30));
                // Nobody else is left who could use it: the server sees the owner gone.
                if Arc::strong_count(&shared) == 1 {
                    return;
                }
            }
        });
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        let (shared, request) = (self.shared.clone(), request.clone());
        let give_back = |shared: Arc<Shared>| {
            move |claim| {
                if let Ok(Claim::Granted(call)) = claim {
                    shared.settle_later(call, Settlement::NotCharged);
                }
            }
        };
        // In a task of its own: a caller who is gone leaves no claim behind.
        let (sender, receiver) = oneshot::channel(give_back(shared.clone()));
        self.shared.runtime.spawn(async move {
            let claimed = shared.claim(&request).await;
            if let Some(unclaimed) = sender.send(claimed) {
                give_back(shared.clone())(unclaimed);
            }
            if shared.claims.fetch_add(1, Ordering::Relaxed) % EXPIRE_EVERY == EXPIRE_EVERY - 1 {
                let _ = Self { shared }.expire_some(EXPIRE).await;
            }
        });
        receiver.receive().await.unwrap_or_else(|| Err(StoreError::new("the runtime of the store has ended")))
    }

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        self.shared.settle(call, &settlement).await
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        self.shared.settle_later(call, settlement);
    }

    async fn book(&self, account: &str) -> Result<AccountBook, StoreError> {
        let session = self.shared.session().await?;
        let load = async {
            // Those in flight whose owner is gone are uncertain.
            let bury =
                "WITH locked AS MATERIALIZED (SELECT account FROM accounts WHERE account = $1 FOR UPDATE)
                        SELECT bury(account, $2, now_ms()) FROM locked";
            session.client.execute(bury, &[&account, &session.owner]).await?;
            load(&session.client, account, false).await
        };
        load.await.map_err(|error| self.shared.explain(&error))
    }

    async fn uncertain(&self, account: &str) -> Result<Vec<StoredCall>, StoreError> {
        self.book(account).await?;
        let session = self.shared.session().await?;
        let select =
            "SELECT * FROM calls WHERE account = $1 AND state IN (0, 2, 3, 4) AND state <> 0 ORDER BY id";
        let rows =
            session.client.query(select, &[&account]).await.map_err(|error| self.shared.explain(&error))?;
        let without_answer = |row: &tokio_postgres::Row| {
            let mut call = call(row, 0);
            call.answer = None;
            call
        };
        Ok(rows.iter().map(without_answer).collect())
    }

    async fn resolve(&self, id: CallId, credits: u64) -> Result<bool, StoreError> {
        let mut client = self.shared.separate().await?;
        let resolve = async {
            let transaction = client.transaction().await?;
            let find = "SELECT account FROM calls WHERE id = $1";
            let Some(row) = transaction.query_opt(find, &[&number(id)]).await? else { return Ok(false) };
            let account: String = row.get(0);
            let mut book = load(&transaction, &account, true).await?;
            let Some(row) =
                transaction.query_opt("SELECT * FROM calls WHERE id = $1", &[&number(id)]).await?
            else {
                return Ok(false);
            };
            let Some((state, charged)) = book.resolve(&call(&row, 0), credits) else { return Ok(false) };
            save(&transaction, &account, &book).await?;
            end(&transaction, id, state, charged).await?;
            transaction.commit().await?;
            Ok(true)
        };
        resolve.await.map_err(|error| self.shared.explain(&error))
    }

    async fn start_reconcile(&self, account: &str) -> Result<ReconcileStart, StoreError> {
        let book = self.book(account).await?;
        let session = self.shared.session().await?;
        let now = session.client.query_one("SELECT now_ms()", &[]).await;
        let now: i64 = now.map_err(|error| self.shared.explain(&error))?.get(0);
        Ok(ReconcileStart::new(&book, unsigned(now)))
    }

    async fn finish_reconcile(
        &self,
        account: &str,
        start: ReconcileStart,
        balance: i64,
    ) -> Result<StoreReconciliation, StoreError> {
        let mut client = self.shared.separate().await?;
        let finish = async {
            let transaction = client.transaction().await?;
            let mut book = load(&transaction, account, true).await?;
            let report = book.reconcile(start, balance);
            save(&transaction, account, &book).await?;
            if let Some(spent) = report.settled() {
                let select = "SELECT id, state FROM calls
                    WHERE account = $1 AND state IN (0, 2, 3, 4) AND state IN (2, 3) AND id > $2 ORDER BY id";
                let rows = transaction.query(select, &[&account, &number(book.stranded_up_to)]).await?;
                for (index, row) in rows.iter().enumerate() {
                    let charged = if index + 1 == rows.len() { spent } else { 0 };
                    let state =
                        if row.get::<_, i16>(1) == 3 { CallState::Settled } else { CallState::Answered };
                    end(&transaction, unsigned(row.get(0)), state, charged).await?;
                }
            }
            transaction.commit().await?;
            Ok(report)
        };
        finish.await.map_err(|error| self.shared.explain(&error))
    }

    async fn record_top_up(&self, account: &str, credits: u64) -> Result<(), StoreError> {
        let mut client = self.shared.separate().await?;
        let record = async {
            let transaction = client.transaction().await?;
            let mut book = load(&transaction, account, true).await?;
            book.record_top_up(credits);
            save(&transaction, account, &book).await?;
            transaction.commit().await
        };
        record.await.map_err(|error| self.shared.explain(&error))
    }

    async fn bill(&self) -> Result<Vec<BillRow>, StoreError> {
        let session = self.shared.session().await?;
        let select = "SELECT account, claimed_at / 86400000 AS day, method, count(*), clamp(sum(charged))
            FROM calls GROUP BY account, day, method ORDER BY account, day, method";
        let rows = session.client.query(select, &[]).await.map_err(|error| self.shared.explain(&error))?;
        let row = |row: &tokio_postgres::Row| {
            let (account, method): (String, String) = (row.get(0), row.get(2));
            BillRow::new(account, row.get(1), method, unsigned(row.get(3)), unsigned(row.get(4)))
        };
        Ok(rows.iter().map(row).collect())
    }

    async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        if after == 0 {
            self.bury().await?;
        }
        let session = self.shared.session().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = "SELECT calls.*, now_ms() AS now FROM calls WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = session.client.query(select, &[&number(after), &limit]).await;
        let rows = rows.map_err(|error| self.shared.explain(&error))?;
        Ok(rows.iter().map(|row| call(row, row.get("now"))).collect())
    }

    async fn expire(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let step = self.expire_some(EXPIRE).await?;
            removed += step;
            if step == 0 {
                return Ok(removed);
            }
        }
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        let mut person = Person::new(person);
        let mut erased = Erased::default();
        // Until nothing more is learned and a whole pass found nothing to remove, since others go on asking.
        loop {
            let (mut has_learned, mut has_removed) = (false, false);
            let mut after = 0;
            loop {
                let page = self.calls(after, usize::try_from(PAGE).unwrap_or(usize::MAX)).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                for call in &page {
                    has_learned |= person.learn(call);
                }
                let about: Vec<&StoredCall> = page.iter().filter(|call| person.mentions(call)).collect();
                if about.is_empty() {
                    continue;
                }
                has_removed = true;
                erased.questions += about.iter().filter(|call| call.question.is_some()).count() as u64;
                erased.answers += about.iter().filter(|call| call.answer.is_some()).count() as u64;
                let ids: Vec<i64> = about.iter().map(|call| number(call.id)).collect();
                let session = self.shared.session().await?;
                let forgotten = session.client.execute("SELECT forget($1)", &[&ids]).await;
                forgotten.map_err(|error| self.shared.explain(&error))?;
            }
            if !has_learned && !has_removed {
                return Ok(erased);
            }
        }
    }
}

/// Writes the end of a call that was settled by hand or by the balance.
async fn end(
    transaction: &Transaction<'_>,
    call: CallId,
    state: CallState,
    charged: u64,
) -> Result<(), Error> {
    let update = "UPDATE calls SET state = $2, charged = $3 WHERE id = $1";
    transaction.execute(update, &[&number(call), &state_number(state), &number(charged)]).await?;
    Ok(())
}

/// What went wrong, without the password and without parameters.
fn explain(name: &str, error: &Error) -> StoreError {
    let Some(refused) = error.as_db_error() else {
        // Its text says what the connection did, and never quotes what was sent.
        let mut text = format!("{name}: {error}");
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        return StoreError::new(text);
    };
    let code = refused.code();
    let what =
        if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            "the server refuses user or password".to_owned()
        } else if *code == SqlState::DISK_FULL {
            "the server's disk is full".to_owned()
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            format!("a right is missing: {}", refused.message())
        } else {
            // The message names tables and settings; details, which may quote a row, are left out.
            format!("{} ({})", refused.message(), code.code())
        };
    StoreError::new(format!("{name}: {what}"))
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("server", &self.shared.target.name()).finish_non_exhaustive()
    }
}
