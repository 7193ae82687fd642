//! What a batch would do and cost.

use tgscan_core::store::Lookup;
use tgscan_core::types::{ApiMethod, Search};
use tgscan_core::{Client, ErrorKind};

use super::input::Account;
use crate::args::Global;
use crate::exit::Failure;
use crate::print;

/// Says what there is to do. Sends nothing that costs.
pub(crate) async fn tell(
    global: &Global,
    client: &Client,
    accounts: &[Account],
    check_first: bool,
    done: usize,
) -> Result<(), Failure> {
    let stored_only = client.clone().with_lookup(Lookup::Stored);
    let (mut stored, mut unknown) = (0_u64, 0_u64);
    for account in accounts {
        if client.store().is_some() {
            match stored_only.search(&account.query).await {
                Ok(_) => {
                    stored += 1;
                    continue;
                }
                Err(error) if error.is_decode() => {
                    stored += 1;
                    continue;
                }
                Err(error) if matches!(error.kind(), ErrorKind::Store(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if check_first && client.user_check(&account.query).await?.answer.nothing_known() {
            unknown += 1;
        }
    }
    let price = match client.store() {
        Some(store) => {
            let book = store.book(&global.account).await?;
            book.methods.iter().find(|book| book.method == Search::NAME).and_then(|book| book.price)
        }
        None => None,
    };
    let to_pay = accounts.len() as u64 - stored - unknown;
    let mut text = format!("{:>9}  accounts\n", accounts.len());
    for (count, what) in [
        (done as u64, "more are in the output already"),
        (stored, "would be answered from the store"),
        (unknown, "are unknown by the free check, and would not be searched"),
    ] {
        if count > 0 {
            text += &format!("{count:>9}  {what}\n");
        }
    }
    text += &format!("{to_pay:>9}  would be searched\n");
    text += &match price {
        Some(price) => {
            format!(
                "{:>9}  credits at most, at the highest price seen so far ({price})\n",
                to_pay.saturating_mul(price)
            )
        }
        None if to_pay == 0 => format!("{:>9}  credits\n", 0),
        None => "        ?  credits: no search was paid for yet, so that the price is unknown\n".to_owned(),
    };
    print::text(&text)
}
