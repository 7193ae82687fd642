//! Reads redb's pages (its file format 3) without redb, which refuses a file with a damaged page even if the rest is
//! intact.

use super::pages::{FLAGS, HEAD, PAGE, is_verified_when_opened};

const LEAF: u8 = 1;
const BRANCH: u8 = 2;
/// A bit of redb's flags.
const SECOND_IS_LATEST: u8 = 1;
/// The offsets of the two commits in the head, and in each commit those of the root of the tables and of the number
/// of the transaction.
const COMMITS: [usize; 2] = [64, 192];
const ROOT: usize = 8;
const TRANSACTION: usize = 104;

/// The layout of the regions: the number of pages in each, and how many of them precede its data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regions {
    pages: u64,
    before_data: u64,
}

impl Regions {
    pub(super) fn of(head: &[u8; HEAD]) -> Option<Self> {
        let (before_data, data) = (number(head, 16)? as u64, number(head, 20)? as u64);
        Some(Self { pages: before_data + data, before_data })
    }

    /// Returns the first of the pages that a reference leads to.
    fn first_page(self, reference: u64) -> u64 {
        let order = reference >> 59;
        let index = reference & (0x000f_ffff >> order);
        let region = (reference >> 20) & 0x000f_ffff;
        1 + region * self.pages + self.before_data + (index << order)
    }

    /// Returns the root of the tables in the latest commit; `None` without tables.
    pub(super) fn root(self, head: &[u8; HEAD]) -> Option<u64> {
        let latest = if is_verified_when_opened(head) {
            let transaction = |commit: usize| reference(head, commit + TRANSACTION);
            usize::from(transaction(COMMITS[1]) > transaction(COMMITS[0]))
        } else {
            usize::from(head[FLAGS] & SECOND_IS_LATEST)
        };
        let commit = COMMITS[latest];
        (head[commit + 1] != 0).then_some(())?;
        Some(self.first_page(reference(head, commit + ROOT)?))
    }

    /// Returns the root of a table from the value of its row among the tables; `None` for an empty table.
    pub(super) fn root_of_table(self, value: &[u8]) -> Option<u64> {
        (*value.get(9)? != 0).then_some(())?;
        Some(self.first_page(reference(value, 10)?))
    }

    /// Returns the pages below a branch; `None` for any other page.
    pub(super) fn children(self, page: &[u8]) -> Option<Vec<u64>> {
        (*page.first()? == BRANCH).then_some(())?;
        let count = count(page)? + 1;
        (0..count).map(|at| Some(self.first_page(reference(page, 8 + 16 * count + 8 * at)?))).collect()
    }
}

/// Returns how many bytes a page needs, by its first [`PAGE`] bytes; `None` if it is neither leaf nor branch.
pub(super) fn len(page: &[u8]) -> Option<usize> {
    let count = count(page)?;
    match page[0] {
        LEAF => number(page, 4 + 4 * (2 * count).checked_sub(1)?),
        BRANCH => Some(8 + 24 * (count + 1)),
        _ => None,
    }
    .map(|len| len.max(PAGE))
}

/// Returns the rows of a leaf; `None` for a row that does not lie in it. In a damaged page, only the checksums of the
/// rows distinguish them from noise.
pub(super) fn rows(page: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    // If the number of rows is damaged, the list of their ends may not fit into the page.
    let count = count(page).filter(|count| 4 + 8 * count <= page.len()).unwrap_or(0);
    let end = move |at: usize| number(page, 4 + 4 * at);
    (0..count).map(move |at| {
        let key_start = if at == 0 { 4 + 8 * count } else { end(at - 1)? };
        let key = page.get(key_start..end(at)?)?;
        // The first value follows the last key, and the ends of the values follow the ends of the keys.
        let value = page.get(end(count + at - 1)?..end(count + at)?)?;
        Some((key, value))
    })
}

fn count(page: &[u8]) -> Option<usize> {
    page.get(2..4)?.first_chunk().map(|count| usize::from(u16::from_le_bytes(*count)))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number))?;
    usize::try_from(number).ok()
}

fn reference(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|number| u64::from_le_bytes(*number))
}
