//! Sorts results into the order of the list.

use std::collections::BTreeMap;

/// Values that wait for an earlier one.
pub(crate) struct Order<T> {
    next: usize,
    waiting: BTreeMap<usize, T>,
    /// Whether values are returned in the order of arrival.
    is_unordered: bool,
}

impl<T> Order<T> {
    pub(crate) fn new(is_unordered: bool) -> Self {
        Self { next: 0, waiting: BTreeMap::new(), is_unordered }
    }

    pub(crate) fn add(&mut self, number: usize, value: T) {
        self.waiting.insert(number, value);
    }

    /// Takes the next value in order, if it has arrived.
    pub(crate) fn take(&mut self) -> Option<T> {
        let first = self.waiting.first_entry()?;
        if !self.is_unordered && *first.key() != self.next {
            return None;
        }
        self.next += 1;
        Some(first.remove())
    }

    /// Takes the remaining values in order, despite gaps. Call this after the last one has arrived.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_and_none_is_lost_at_a_gap() {
        let mut order = Order::new(false);
        let mut taken = Vec::new();
        for number in [2, 0, 1, 5, 4] {
            order.add(number, number);
            taken.extend(std::iter::from_fn(|| order.take()));
        }
        assert_eq!(taken, [0, 1, 2]);
        assert_eq!(order.rest().collect::<Vec<_>>(), [4, 5]);
        let mut unordered = Order::new(true);
        unordered.add(7, 7);
        assert_eq!(unordered.take(), Some(7));
    }
}
