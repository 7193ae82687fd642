//! Reads from the store which methods were charged although they are documented as free.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tgscan_types::ApiMethod;

use crate::Client;

/// The time after which the store's book is read again.
const INTERVAL: Duration = Duration::from_secs(60);

impl Client {
    /// Returns whether other processes may have recorded a charge of `M` that this one does not know.
    pub(super) fn reads_charges<M: ApiMethod>(&self) -> bool {
        self.shared.place.is_some() && self.shared.api.is_free_until_charged::<M>()
    }

    /// Notes the charges that other processes recorded: reads the store's book at most once per [`INTERVAL`]. Ignores
    /// failures, because a free call does not need the store.
    pub(super) async fn note_charges_of_others(&self) {
        let Some(account) = self.account() else { return };
        let now = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        let due = &self.shared.charges_due;
        if now < due.load(Ordering::Relaxed) {
            return;
        }
        let next = Duration::from_millis(now).saturating_add(INTERVAL).as_millis();
        due.store(u64::try_from(next).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Ok(book) = account.book().await {
            for (method, price) in book.prices() {
                self.shared.api.note_charge(method, price);
            }
        }
    }
}
