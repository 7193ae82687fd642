//! A store over another one, with some of its answers changed.

use std::sync::Arc;

use tgscan_core::async_trait;
use tgscan_core::store::{
    AccountBook, BillRow, CallId, Claim, ClaimRequest, Erased, ReconcileStart, Settlement, Store, StoreError,
    StoreReconciliation, StoredCall,
};
use tgscan_core::types::UserQuery;

/// What is changed; the rest is as in the store below.
#[async_trait]
pub(crate) trait Change: Send + Sync {
    fn below(&self) -> &Arc<dyn Store>;

    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError>;

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        self.below().settle(call, settlement).await
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        self.below().abandon(call, settlement);
    }

    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError> {
        self.below().resolve(call, credits).await
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        self.below().erase(person).await
    }
}

pub(crate) struct Over<C>(pub(crate) C);

#[async_trait]
impl<C: Change> Store for Over<C> {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        self.0.claim(request).await
    }

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        self.0.settle(call, settlement).await
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        self.0.abandon(call, settlement);
    }

    async fn book(&self, account: &str) -> Result<AccountBook, StoreError> {
        self.0.below().book(account).await
    }

    async fn uncertain(&self, account: &str) -> Result<Vec<StoredCall>, StoreError> {
        self.0.below().uncertain(account).await
    }

    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError> {
        self.0.resolve(call, credits).await
    }

    async fn start_reconcile(&self, account: &str) -> Result<ReconcileStart, StoreError> {
        self.0.below().start_reconcile(account).await
    }

    async fn finish_reconcile(
        &self,
        account: &str,
        start: ReconcileStart,
        balance: i64,
    ) -> Result<StoreReconciliation, StoreError> {
        self.0.below().finish_reconcile(account, start, balance).await
    }

    async fn record_top_up(&self, account: &str, credits: u64) -> Result<(), StoreError> {
        self.0.below().record_top_up(account, credits).await
    }

    async fn bill(&self) -> Result<Vec<BillRow>, StoreError> {
        self.0.below().bill().await
    }

    async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        self.0.below().calls(after, limit).await
    }

    async fn expire(&self) -> Result<u64, StoreError> {
        self.0.below().expire().await
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        self.0.erase(person).await
    }
}
