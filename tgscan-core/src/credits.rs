//! What a call cost.

use std::fmt;

/// What a finished call cost, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credits {
    /// The answer's `op_cost` says that this many credits were taken; at least 1.
    Charged(u64),
    /// Nothing was taken: the method is free, the request certainly was not processed, or `op_cost` is 0.
    NotCharged,
    /// The service may have taken credits, and nothing that came back says how many.
    Uncertain,
}

impl Credits {
    /// From an answer's `op_cost`.
    pub(crate) fn from_op_cost(op_cost: u64) -> Self {
        if op_cost == 0 { Self::NotCharged } else { Self::Charged(op_cost) }
    }

    /// Returns how many credits were certainly charged.
    pub fn charged(self) -> u64 {
        match self {
            Self::Charged(credits) => credits,
            Self::NotCharged | Self::Uncertain => 0,
        }
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Charged(1) => f.write_str("1 credit charged"),
            Self::Charged(credits) => write!(f, "{credits} credits charged"),
            Self::NotCharged => f.write_str("no credits charged"),
            Self::Uncertain => f.write_str("credits uncertain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_told_in_words() {
        let told = [0, 1, 2].map(|credits| Credits::from_op_cost(credits).to_string());
        assert_eq!(told, ["no credits charged", "1 credit charged", "2 credits charged"]);
        assert_eq!(Credits::Uncertain.to_string(), "credits uncertain");
        assert_eq!(
            [Credits::Charged(3), Credits::NotCharged, Credits::Uncertain].map(Credits::charged),
            [3, 0, 0]
        );
    }
}
