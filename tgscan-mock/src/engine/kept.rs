//! Answers that were written before. Their bytes are a function of seed, query and cost, so a repeated question costs a
//! look-up instead of a draw.

use std::collections::HashMap;

use bytes::Bytes;

/// How many bytes are kept: thousands of typical answers, and little memory in a server that runs for long.
const MOST_BYTES: usize = 8 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Kept {
    /// By seed, with the form: two forms may have the same seed, however unlikely that is. And what it costs.
    answers: HashMap<u64, (String, u64, Bytes)>,
    bytes: usize,
}

impl Kept {
    /// The answer to a form, and what it costs.
    pub(super) fn find(&self, seed: u64, form: &str) -> Option<(u64, Bytes)> {
        let (kept, cost, body) = self.answers.get(&seed)?;
        (kept == form).then(|| (*cost, body.clone()))
    }

    pub(super) fn keep(&mut self, seed: u64, cost: u64, form: &str, body: &Bytes) {
        let size = form.len() + body.len();
        if size > MOST_BYTES / 8 {
            return;
        }
        if self.bytes + size > MOST_BYTES {
            // All at once: what is asked again comes back soon, and nothing has to be counted.
            *self = Self::default();
        }
        if self.answers.insert(seed, (form.to_owned(), cost, body.clone())).is_none() {
            self.bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_fill_it_to_the_last_byte_are_all_kept() {
        let mut kept = Kept::default();
        let body = Bytes::from(vec![0; MOST_BYTES / 8 - "query=a".len()]);
        for seed in 0..8 {
            kept.keep(seed, 1, "query=a", &body);
        }
        assert!((0..8).all(|seed| kept.find(seed, "query=a").is_some()));
    }

    #[test]
    fn thousands_of_typical_answers_are_kept() {
        let mut kept = Kept::default();
        let body = Bytes::from(vec![0; 1000]);
        for seed in 0..5000 {
            kept.keep(seed, 1, "query=a", &body);
        }
        assert!((0..5000).all(|seed| kept.find(seed, "query=a").is_some()));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut kept = Kept::default();
        let body = Bytes::from(vec![0; 100_000]);
        for seed in 0..1000 {
            kept.keep(seed, 1, "query=a", &body);
            assert!(kept.bytes <= MOST_BYTES && kept.answers.len() * 100_000 <= MOST_BYTES);
            assert_eq!(kept.find(seed, "query=a"), Some((1, body.clone())));
            assert_eq!(kept.find(seed, "query=b"), None);
        }
        kept.keep(0, 1, "", &Bytes::from(vec![0; MOST_BYTES]));
        assert_eq!(kept.find(0, ""), None);
    }
}
