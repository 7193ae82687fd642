//! Stores that are broken on purpose, as proof that the audit catches it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_core::async_trait;
use tgscan_core::store::{
    AccountBook, BillRow, CallId, Claim, ClaimRequest, Erased, ReconcileStart, Settlement, Store, StoreError,
    StoreReconciliation, StoredCall,
};
use tgscan_core::types::UserQuery;

/// Every way to be broken.
pub(crate) const ALL: [&str; 2] = ["claim not flushed", "dead claim treated as free"];

/// A store with a fault of this name.
pub(crate) fn broken(store: Arc<dyn Store>, fault: &str) -> Arc<dyn Store> {
    Arc::new(Broken {
        store,
        is_lazy: fault == ALL[0],
        forgets: fault == ALL[1],
        last: AtomicU64::new(1 << 40),
        claims: Mutex::default(),
    })
}

struct Broken {
    store: Arc<dyn Store>,
    /// Writes the claim only when the call has ended.
    is_lazy: bool,
    /// Grants what is uncertain.
    forgets: bool,
    last: AtomicU64,
    claims: Mutex<HashMap<CallId, ClaimRequest>>,
}

impl Broken {
    async fn real(&self, call: CallId) -> Result<CallId, StoreError> {
        let claim = self.claims.lock().unwrap().remove(&call);
        match claim {
            Some(request) => match self.store.claim(&request).await? {
                Claim::Granted(call) => Ok(call),
                other => Err(StoreError::new(format!("{other:?}"))),
            },
            None => Ok(call),
        }
    }
}

#[async_trait]
impl Store for Broken {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        let mut request = request.clone();
        if self.forgets {
            request.pay_again_after = Some(Duration::ZERO);
        }
        if self.is_lazy {
            request.stored_only = true;
            return match self.store.claim(&request).await? {
                Claim::NotStored => {
                    let call = self.last.fetch_add(1, Ordering::Relaxed);
                    request.stored_only = false;
                    self.claims.lock().unwrap().insert(call, request);
                    Ok(Claim::Granted(call))
                }
                other => Ok(other),
            };
        }
        self.store.claim(&request).await
    }

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        let call = self.real(call).await?;
        self.store.settle(call, settlement).await
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        self.store.abandon(call, settlement);
    }

    async fn book(&self, account: &str) -> Result<AccountBook, StoreError> {
        self.store.book(account).await
    }

    async fn uncertain(&self, account: &str) -> Result<Vec<StoredCall>, StoreError> {
        self.store.uncertain(account).await
    }

    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError> {
        self.store.resolve(call, credits).await
    }

    async fn start_reconcile(&self, account: &str) -> Result<ReconcileStart, StoreError> {
        self.store.start_reconcile(account).await
    }

    async fn finish_reconcile(
        &self,
        account: &str,
        start: ReconcileStart,
        balance: i64,
    ) -> Result<StoreReconciliation, StoreError> {
        self.store.finish_reconcile(account, start, balance).await
    }

    async fn record_top_up(&self, account: &str, credits: u64) -> Result<(), StoreError> {
        self.store.record_top_up(account, credits).await
    }

    async fn bill(&self) -> Result<Vec<BillRow>, StoreError> {
        self.store.bill().await
    }

    async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        self.store.calls(after, limit).await
    }

    async fn expire(&self) -> Result<u64, StoreError> {
        self.store.expire().await
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        self.store.erase(person).await
    }
}
