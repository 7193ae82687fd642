//! Chooses the operations that share a transaction.

use std::collections::VecDeque;

use super::{Job, Writer};
use crate::store::decide::TOKENS;
use crate::store::operation::Operation;

/// The maximum number of operations in a transaction.
const BATCH: usize = 256;
/// The maximum length of the responses in a transaction with several operations, in bytes: a store must write them within
/// its time limit, also over a slow network.
const BATCH_BYTES: usize = 1 << 20;

/// The operations of a transaction. If their task is dropped, those that must be written are counted as lost.
pub(super) struct Batch<'a> {
    pub(super) writer: &'a Writer,
    pub(super) jobs: Vec<Job>,
}

impl Batch<'_> {
    pub(super) fn take(mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let is_lost = |job: &&Job| job.sender.is_none() || job.operation.must_be_written(false);
        let lost = self.jobs.iter().filter(is_lost).count() as u64;
        if lost > 0 {
            self.writer.lock().lost += lost;
        }
    }
}

/// Returns how many of the waiting operations share a transaction. Operations that are recognised by their tokens are limited to
/// the number of remembered tokens, so that the transaction can be repeated. A settlement that failed runs alone, because
/// it may be the reason for the failure.
pub(super) fn batch_length(waiting: &VecDeque<Job>) -> usize {
    let (mut tokens, mut bytes) = (0, 0);
    let fits = |job: &&Job| {
        tokens += usize::from(has_token(&job.operation));
        bytes += job.operation.response_length();
        tokens <= TOKENS && bytes <= BATCH_BYTES && !job.runs_alone
    };
    let count = waiting.iter().take(BATCH).take_while(fits).count();
    // At least one, which may be longer.
    count.max(1).min(waiting.len())
}

pub(super) fn has_token(operation: &Operation) -> bool {
    matches!(operation, Operation::Charge { .. } | Operation::Purchase { .. })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Credits;
    use crate::account::Cost;
    use crate::store::operation::Settlement;

    const HALF: usize = BATCH_BYTES / 2;

    /// Returns a settlement with a response of this length.
    fn settlement(length: usize, runs_alone: bool) -> Job {
        let received = Some((200, Bytes::from(vec![0; length]), Credits::Uncertain));
        let settlement = Settlement { received, ..Settlement::without_response(Cost::NONE, 1) };
        let operation = Operation::Settle { call: 1, settlement };
        Job { runs_alone, ..Job::new(operation) }
    }

    #[test]
    fn long_responses_share_no_transaction() {
        for (lengths, expected) in [
            (&[][..], 0),
            (&[100; BATCH + 1], BATCH),
            (&[HALF, HALF, 1], 2),
            (&[HALF + 1, HALF], 1),
            (&[2 * BATCH_BYTES, 1], 1),
        ] {
            let waiting = lengths.iter().map(|length| settlement(*length, false)).collect();
            assert_eq!(batch_length(&waiting), expected, "{}", lengths.len());
        }
    }

    #[test]
    fn settlement_that_failed_shares_no_transaction() {
        for (failed, expected) in
            [(&[true, false, false][..], 1), (&[false, true, false], 1), (&[false, false, true], 2)]
        {
            let waiting = failed.iter().map(|failed| settlement(1, *failed)).collect();
            assert_eq!(batch_length(&waiting), expected, "{failed:?}");
        }
    }
}
