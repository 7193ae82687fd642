//! The plan and the cost of a batch.

use tgscan_core::store::Lookup;
use tgscan_core::types::{ApiMethod, Search};
use tgscan_core::{Client, ErrorKind};

use super::input::Account;
use super::method::Question;
use super::work::{self, Policy};
use crate::args::Global;
use crate::exit::Failure;
use crate::print;

/// Prints the plan. Sends nothing that costs.
pub(crate) async fn print<M: Question>(
    global: &Global,
    client: &Client,
    accounts: &[Account],
    policy: &Policy,
    (done, recovered): (usize, usize),
) -> Result<(), Failure> {
    let stored_only = client.clone().with_lookup(Lookup::Stored);
    let (mut stored, mut unknown) = (0_u64, 0_u64);
    for account in accounts {
        let Some(method) = M::about(&account.query) else { continue };
        let found = match &policy.refresh {
            Some(refresh) => {
                work::unchanged(client, refresh, &account.query).await.map(|is_same| is_same == Some(true))
            }
            None if client.account().is_some() && policy.lookup == Lookup::StoredOrNew => {
                stored_only.send(method).await.map(|_| true)
            }
            None => Ok(false),
        };
        let is_stored = found.or_else(|error| match error.kind() {
            // It is not paid for again.
            ErrorKind::Decode(_) => Ok(true),
            ErrorKind::Store(_) => Ok(false),
            _ => Err(Failure::of_call(&error, global)),
        })?;
        if is_stored {
            stored += 1;
            continue;
        }
        if policy.checks_first {
            let reply = client.user_check(&account.query).await;
            let reply = reply.map_err(|error| Failure::of_call(&error, global))?;
            unknown += u64::from(reply.answer.nothing_known());
        }
    }
    let balance = client.balance().await.map_err(|error| Failure::of_call(&error, global))?;
    let costs = Costs::of::<M>(global, client).await?;
    let to_pay = accounts.len() as u64 - stored - unknown;
    let mut text = format!("{:>9}  accounts\n", accounts.len());
    for (count, what) in [
        (done as u64, "more are in the output already"),
        (recovered as u64, "more were set aside earlier, and would be written to the output"),
        (stored, "would be answered from the store"),
        (unknown, "are unknown by the free check, and would not be searched"),
    ] {
        if count > 0 {
            text += &format!("{count:>9}  {what}\n");
        }
    }
    text += &format!(
        "{to_pay:>9}  would be {}\n",
        if M::NAME == Search::NAME { "searched" } else { "asked about" }
    );
    text += &costs.lines(to_pay, global.max_credits);
    text += &format!("{:>9}  credits are left\n", balance.answer.num_credits);
    print::to_any_reader(print::text(&text))
}

/// The costs of searches so far.
struct Costs {
    can_cost: bool,
    calls: u64,
    charged: u64,
    highest: Option<u64>,
}

impl Costs {
    async fn of<M: ApiMethod>(global: &Global, client: &Client) -> Result<Self, Failure> {
        let book = client.book().await.map_err(|error| Failure::of_call(&error, global))?;
        let highest = book.price(M::NAME);
        let rows = match client.account() {
            Some(account) => account.bill().await?,
            None => Vec::new(),
        };
        let searches = rows.iter().filter(|row| row.method == M::NAME);
        let (calls, charged) =
            searches.fold((0, 0_u64), |sum, row| (sum.0 + row.calls, sum.1.saturating_add(row.charged)));
        Ok(Self { can_cost: client.api().can_cost::<M>(), calls, charged, highest })
    }

    fn lines(&self, to_pay: u64, limit: Option<u64>) -> String {
        let mut text = String::new();
        match self.highest {
            _ if to_pay == 0 || !self.can_cost => text += &format!("{:>9}  credits\n", 0),
            None => text += "        ?  credits: no search has been paid for yet, so the cost is unknown\n",
            Some(highest) => {
                let average = |count: u64| {
                    u64::try_from(
                        u128::from(count) * u128::from(self.charged) / u128::from(self.calls.max(1)),
                    )
                    .unwrap_or(u64::MAX)
                };
                if self.calls > 0 {
                    text += &format!("{:>9}  credits at the average cost so far\n", average(to_pay));
                }
                let most = to_pay.saturating_mul(highest);
                text += &format!("{most:>9}  credits at the highest cost so far ({highest})\n");
                if let Some(limit) = limit {
                    let fits = limit / highest.max(1);
                    text += &format!(
                        "{:>9}  searches or more fit --max-credits {limit} at the highest cost so far\n",
                        fits.min(to_pay)
                    );
                }
            }
        }
        text
    }
}
