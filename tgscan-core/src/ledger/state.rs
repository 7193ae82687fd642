//! What a ledger keeps: totals, and one book per API method, in calls. Amounts follow from the methods' prices.

use std::task::Waker;

use super::children::Children;
use super::reconcile::Comparison;
use super::{CapReached, LedgerSnapshot, Reserve};

pub(super) struct State {
    pub(super) cap: Option<u64>,
    pub(super) reserve: Reserve,
    pub(super) books: Vec<Book>,
    pub(super) charged: u64,
    /// Gone from the balance, and explained by no call.
    pub(super) unexplained: u64,
    charged_calls: u64,
    not_charged_calls: u64,
    refused_calls: u64,
    /// Paid attempts ever begun, and free ones that were charged: tells whether anything happened between two looks.
    pub(super) revision: u64,
    /// Attempts that ever ended uncertain.
    pub(super) uncertain_ever: u64,
    pub(super) comparison: Comparison,
    pub(super) children: Children,
    /// Who waits for room.
    pub(super) waiting: Vec<Waker>,
}

/// The calls of one API method, in calls. Held calls count at the method's price, so that they rise with it.
pub(super) struct Book {
    method: &'static str,
    /// The highest `op_cost` seen.
    pub(super) price: Option<u64>,
    pub(super) in_flight: u64,
    pub(super) uncertain: u64,
    /// How many of the uncertain ones no later balance can settle; see [`Comparison`].
    pub(super) stranded: u64,
}

/// Credits that some calls may cost.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) credits: u64,
    /// Whether nothing is known about the price of one of them, so that it may have cost anything.
    pub(super) is_open: bool,
}

impl State {
    pub(super) fn new(cap: Option<u64>, reserve: Reserve) -> Self {
        Self {
            cap,
            reserve,
            books: Vec::new(),
            charged: 0,
            unexplained: 0,
            charged_calls: 0,
            not_charged_calls: 0,
            refused_calls: 0,
            revision: 0,
            uncertain_ever: 0,
            comparison: Comparison::default(),
            children: Children::default(),
            waiting: Vec::new(),
        }
    }

    /// The place of a method's book.
    pub(super) fn book(&mut self, method: &'static str) -> usize {
        // Mostly the very same text, which need not be compared.
        let is_same = |book: &Book| std::ptr::eq(book.method, method) || book.method == method;
        if let Some(at) = self.books.iter().position(is_same) {
            return at;
        }
        self.books.push(Book { method, price: None, in_flight: 0, uncertain: 0, stranded: 0 });
        self.books.len() - 1
    }

    pub(super) fn price_of(&self, method: &str) -> Option<u64> {
        self.books.iter().find(|book| book.method == method)?.price
    }

    /// What a call sets aside; `None` if nothing is known about its price.
    fn set_aside(&self, book: &Book) -> Option<u64> {
        match (self.reserve, book.price) {
            (Reserve::PerCall(least), price) => Some(price.unwrap_or(0).max(least).max(1)),
            (Reserve::OneAtATime, price) => price,
        }
    }

    /// What some calls of each book may cost.
    pub(super) fn held(&self, calls: impl Fn(&Book) -> u64) -> Held {
        let mut held = Held::default();
        for book in &self.books {
            let (count, price) = (calls(book), self.set_aside(book));
            held.is_open |= count > 0 && price.is_none();
            held.credits = held.credits.saturating_add(count.saturating_mul(price.unwrap_or(1)));
        }
        held
    }

    pub(super) fn in_flight_calls(&self) -> u64 {
        self.books.iter().map(|book| book.in_flight).sum()
    }

    pub(super) fn uncertain_calls(&self) -> u64 {
        self.books.iter().map(|book| book.uncertain).sum()
    }

    pub(super) fn snapshot(&self) -> LedgerSnapshot {
        let (in_flight, uncertain) = (self.held(|book| book.in_flight), self.held(|book| book.uncertain));
        LedgerSnapshot {
            cap: self.cap,
            charged: self.charged,
            charged_calls: self.charged_calls,
            in_flight: in_flight.credits,
            in_flight_calls: self.in_flight_calls(),
            uncertain: uncertain.credits,
            uncertain_calls: self.uncertain_calls(),
            unexplained: self.unexplained,
            not_charged_calls: self.not_charged_calls,
            refused_calls: self.refused_calls,
            in_flight_is_open: in_flight.is_open,
            uncertain_is_open: uncertain.is_open,
        }
    }

    /// How the cap refuses a call, if it does.
    pub(super) fn refusal(&self, book: usize) -> Option<CapReached> {
        let cap = self.cap?;
        let price = self.set_aside(&self.books[book]);
        // One pass and no snapshot where there is room, as for nearly every call.
        let held = self.held(|book| book.in_flight + book.uncertain);
        let committed = self.charged.saturating_add(self.unexplained).saturating_add(held.credits);
        if !held.is_open && cap.saturating_sub(committed) >= price.unwrap_or(1) {
            return None;
        }
        Some(CapReached { ledger: self.snapshot(), price })
    }

    /// Sets a call aside. `price` is what others know of its price; `waker` is woken when there may be room, if that can
    /// be.
    pub(super) fn reserve(
        &mut self,
        method: &'static str,
        price: Option<u64>,
        waker: Option<&Waker>,
    ) -> Result<usize, CapReached> {
        let book = self.book(method);
        self.books[book].price = self.books[book].price.max(price);
        if let Some(mut refused) = self.refusal(book) {
            if let Some(waker) = waker.filter(|_| refused.is_transient()) {
                if !self.waiting.iter().any(|other| other.will_wake(waker)) {
                    self.waiting.push(waker.clone());
                }
                return Err(refused);
            }
            self.refused_calls += 1;
            refused.ledger.refused_calls = self.refused_calls;
            return Err(refused);
        }
        self.books[book].in_flight += 1;
        self.revision += 1;
        Ok(book)
    }

    pub(super) fn release(&mut self, book: usize) {
        let book = &mut self.books[book];
        book.in_flight = book.in_flight.saturating_sub(1);
    }

    pub(super) fn charge(&mut self, book: usize, credits: u64) {
        let book = &mut self.books[book];
        book.price = book.price.max(Some(credits));
        self.charged = self.charged.saturating_add(credits);
        self.charged_calls += 1;
        // A free call that was charged began unseen.
        self.revision += 1;
    }

    pub(super) fn not_charged(&mut self) {
        self.not_charged_calls += 1;
    }

    pub(super) fn uncertain(&mut self, book: usize) {
        self.books[book].uncertain += 1;
        self.uncertain_ever += 1;
        self.revision += 1;
    }
}
