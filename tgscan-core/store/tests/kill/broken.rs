//! Stores that are broken on purpose, as proof that the audit catches it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_core::async_trait;
use tgscan_core::store::{CallId, Claim, ClaimRequest, Settlement, Store, StoreError};

use crate::over::{Change, Over};

/// Every way to be broken.
pub(crate) const ALL: [&str; 2] = ["claim not flushed", "dead claim treated as free"];

/// A store with a fault of this name.
pub(crate) fn broken(store: Arc<dyn Store>, fault: &str) -> Arc<dyn Store> {
    Arc::new(Over(Broken {
        store,
        is_lazy: fault == ALL[0],
        forgets: fault == ALL[1],
        last: AtomicU64::new(1 << 40),
        claims: Mutex::default(),
    }))
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
impl Change for Broken {
    fn below(&self) -> &Arc<dyn Store> {
        &self.store
    }

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
}
