//! The cost of a call.

use std::fmt;

/// The cost of a finished call, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credits {
    /// The answer's `op_cost`; at least 1.
    Charged(u64),
    /// No credits: the method is free, the request certainly was not processed, or `op_cost` is 0.
    NotCharged,
    /// The service may have charged credits, but the response states no cost.
    Uncertain,
}

impl Credits {
    /// Converts an answer's `op_cost`.
    pub(crate) fn from_op_cost(op_cost: u64) -> Self {
        if op_cost == 0 { Self::NotCharged } else { Self::Charged(op_cost) }
    }

    /// Returns the credits that were certainly charged.
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
    fn displays_number_of_credits() {
        let displayed = [0, 1, 2].map(|credits| Credits::from_op_cost(credits).to_string());
        assert_eq!(displayed, ["no credits charged", "1 credit charged", "2 credits charged"]);
        assert_eq!(Credits::Uncertain.to_string(), "credits uncertain");
        assert_eq!(
            [Credits::Charged(3), Credits::NotCharged, Credits::Uncertain].map(Credits::charged),
            [3, 0, 0]
        );
    }
}
