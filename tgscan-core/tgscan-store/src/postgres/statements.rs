//! The statements that connections prepare.

use super::load::{JOURNAL, LOAD, LOAD_OPEN};
use super::write::{
    REMOVE_ANSWERS, REMOVE_CALLS, REMOVE_PEOPLE, REMOVE_QUESTIONS, SET, SET_ASSUMED, SET_JOURNAL,
    SET_UNCHANGED,
};

/// The statements of a transaction.
pub(super) const STATEMENTS: [&str; 11] = [
    LOAD,
    LOAD_OPEN,
    JOURNAL,
    SET,
    SET_UNCHANGED,
    SET_ASSUMED,
    REMOVE_CALLS,
    REMOVE_QUESTIONS,
    REMOVE_ANSWERS,
    REMOVE_PEOPLE,
    SET_JOURNAL,
];
