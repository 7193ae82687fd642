//! Reads the undamaged rows of a damaged file.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;

use tgscan_core::store::{AccountName, Answer, Call, CallId, CallState, StoreError};

use super::codec::decode;
use super::database::{ROWS, explain};
use super::pages::{HEAD, PAGE, Pages};
use super::tree::{self, Regions};
use super::{FileStore, name, open};
use crate::tables::{self, Table};

/// The maximum number of pages of a node whose first page has a wrong checksum, because its length may be wrong too.
const MOST_PAGES: usize = 256;

impl FileStore {
    /// Reads the calls and answers of a damaged file. The file is not changed. No process may have it open.
    ///
    /// Each row has a checksum, so a returned answer is exactly the one that was paid for. If the file's tree is
    /// undamaged, it leads to the rows. Otherwise every page is searched: calls may then be returned in an earlier
    /// state, and calls and answers that have expired may be returned.
    ///
    /// ```
    /// # let directory = std::env::temp_dir().join(format!("tgscan-store-salvage-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("calls.tgscan");
    /// # drop(tgscan_store::FileStore::open(&path)?);
    /// use tgscan_store::FileStore;
    ///
    /// let mut salvage = FileStore::salvage(path)?;
    /// for row in &mut salvage {
    ///     println!("call {}: {:?}", row.id, row.answer.map(|answer| answer.body));
    /// }
    /// let unreadable = salvage.unreadable();
    /// println!("{} answers and {} pages cannot be read", unreadable.answers, unreadable.pages);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be opened for reading, is open in another process, or has another version
    /// and no row that can be read.
    pub fn salvage(path: impl AsRef<Path>) -> Result<Salvage, StoreError> {
        let path = path.as_ref();
        let open = || {
            open::check_kind(path)?;
            let file = OpenOptions::new().read(true).open(path);
            let file = file.map_err(|error| open::io("cannot be opened for reading", &error))?;
            let version = open::version(&file).ok().flatten();
            Ok((Pages::lock(file, false).map_err(|error| explain(&error))?, version))
        };
        let (pages, version) = open().map_err(|error| name(path, &error))?;
        let mut salvage = Salvage {
            pages,
            accounts: BTreeMap::new(),
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            unreadable: Unreadable::default(),
        };
        salvage.find_all();
        if let Some(Err(error)) = version.map(open::check_version) {
            // The rows of another version may be overlooked. But if there are rows, the number may be damaged.
            if salvage.calls.is_empty() && salvage.answers.is_empty() {
                return Err(name(path, &error));
            }
            salvage.unreadable.pages += 1;
        }
        Ok(salvage)
    }
}

/// A call of a damaged file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Salvaged {
    /// The account; `None` if its row cannot be read.
    pub account: Option<AccountName>,
    /// The number of the account in this file.
    pub account_number: u32,
    /// The id of the call.
    pub id: CallId,
    /// The call; `None` if its row cannot be read.
    pub call: Option<Call>,
    /// The answer; `None` if the call has no answer, or if its row cannot be read.
    pub answer: Option<Answer>,
}

/// The amount of data in a damaged file that could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The number of damaged pages in the tree that leads to the rows, 1 if both copies of the head are damaged, and 1 if
    /// the file states another version.
    pub pages: u64,
    /// The number of answers that cannot be read although their calls can.
    pub answers: u64,
}

impl Unreadable {
    /// Returns whether everything could be read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An iterator over the calls of a damaged file, by account and id, that [`FileStore::salvage`] returns.
pub struct Salvage {
    /// Keeps the file locked.
    pages: Pages,
    accounts: BTreeMap<u32, AccountName>,
    calls: BTreeMap<Key, Found>,
    answers: BTreeMap<Key, Found>,
    unreadable: Unreadable,
}

/// The number of an account, and the id of a call.
type Key = (u32, CallId);

/// Where a row is.
#[derive(Clone, Copy)]
struct Found {
    page: u64,
    row: usize,
    version: Version,
}

/// Which of several rows with the same key is the latest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    /// Found in a page that may be unused, with the progress of the call and the time.
    Possible(u8, u64),
    /// Found through the tree.
    Current,
}

impl Salvage {
    /// Returns how much could not be read. Call this after the iteration, which counts the answers.
    pub fn unreadable(&self) -> Unreadable {
        self.unreadable
    }

    fn find_all(&mut self) {
        if let Some((head, is_flushed)) = self.pages.head_of_damaged() {
            if Regions::of(&head).is_some_and(|regions| self.walk(&head, regions, is_flushed)) {
                return;
            }
        } else {
            self.unreadable.pages += 1;
        }
        for page in 1..self.pages.count_by_length() {
            if let Some((bytes, _)) = self.node(page) {
                self.add_rows(page, &bytes, false);
            }
        }
    }

    /// Adds the rows that the tree leads to. Returns whether these are certainly all current rows.
    fn walk(&mut self, head: &[u8; HEAD], regions: Regions, is_flushed: bool) -> bool {
        let mut root = None;
        let name = redb::TableHandle::name(&ROWS).as_bytes();
        let is_whole = self.leaves(regions, regions.root(head), |_, _, bytes, is_intact| {
            let mut rows = tree::rows(bytes).flatten().filter(|_| is_intact);
            let found =
                rows.find(|(key, _)| *key == name).and_then(|(_, value)| regions.root_of_table(value));
            root = root.or(found);
        });
        let is_read = self.leaves(regions, root, |salvage, page, bytes, is_intact| {
            salvage.add_rows(page, bytes, is_intact && is_flushed);
        });
        is_whole && is_read && is_flushed
    }

    /// Visits the leaves below a page. Returns whether all pages were intact.
    fn leaves(
        &mut self,
        regions: Regions,
        root: Option<u64>,
        mut visit: impl FnMut(&mut Self, u64, &[u8], bool),
    ) -> bool {
        let mut waiting: Vec<u64> = root.into_iter().collect();
        let mut seen = HashSet::new();
        let mut is_whole = true;
        while let Some(page) = waiting.pop() {
            // In a damaged file, pages can refer to each other in a circle.
            if !seen.insert(page) {
                continue;
            }
            let (bytes, is_intact) = self.node(page).unwrap_or_default();
            match regions.children(&bytes).filter(|_| is_intact) {
                Some(children) => waiting.extend(children),
                None => visit(self, page, &bytes, is_intact),
            }
            if !is_intact {
                is_whole = false;
                self.unreadable.pages += 1;
            }
        }
        is_whole
    }

    /// Reads a node of the tree, which can span several pages. Also returns whether all of them are intact.
    fn node(&self, page: u64) -> Option<(Vec<u8>, bool)> {
        let (bytes, is_intact) = self.pages.read_damaged(page, 1)?;
        // The length is used even if the checksum is wrong, because the checksum may be damaged instead of the page.
        let count = tree::len(&bytes).map_or(1, |len| len.div_ceil(PAGE));
        if count == 1
            || (!is_intact && count > MOST_PAGES)
            || page + count as u64 > self.pages.count_by_length()
        {
            return Some((bytes, is_intact));
        }
        self.pages.read_damaged(page, count)
    }

    fn add_rows(&mut self, page: u64, bytes: &[u8], is_current: bool) {
        for (row, entry) in tree::rows(bytes).enumerate() {
            let Some((full_key, value)) = entry else { continue };
            let is_in = |table: Table| full_key.first() == Some(&(table as u8));
            if !is_in(Table::Accounts) && !is_in(Table::Calls) && !is_in(Table::Answers) {
                continue;
            }
            let Some(value) = decode(full_key, value) else { continue };
            if is_in(Table::Accounts) {
                self.accounts.extend(tables::account_of_row(full_key, &value));
                continue;
            }
            let Some(key) = tables::call_of_key(full_key) else { continue };
            let found = |version| Found { page, row, version };
            let (rows, found) = if is_in(Table::Calls) {
                let version = Call::from_bytes(key.1, &value).map(|call| version(&call));
                let Ok(version) = version else { continue };
                (&mut self.calls, found(if is_current { Version::Current } else { version }))
            } else {
                let Some(answer) = crate::answer::decode(value) else { continue };
                let version = if is_current { Version::Current } else { Version::Possible(0, answer.at) };
                (&mut self.answers, found(version))
            };
            let known = rows.entry(key).or_insert(found);
            if known.version < found.version {
                *known = found;
            }
        }
    }

    /// Reads a row again.
    fn value(&self, found: Found) -> Option<Vec<u8>> {
        let (bytes, _) = self.node(found.page)?;
        let (key, value) = tree::rows(&bytes).nth(found.row)??;
        decode(key, value)
    }
}

/// Returns the version of a call that was not found through the tree. A call never returns to an earlier state.
fn version(call: &Call) -> Version {
    let progress = match call.state() {
        // Its question expired or was erased.
        _ if call.question.is_none() => 3,
        CallState::InFlight => 0,
        CallState::Resolved => 2,
        _ => 1,
    };
    Version::Possible(progress, call.ended_at.unwrap_or(call.claimed_at))
}

impl Iterator for Salvage {
    type Item = Salvaged;

    fn next(&mut self) -> Option<Salvaged> {
        let first = |rows: &BTreeMap<Key, Found>| rows.first_key_value().map(|(key, _)| *key);
        let key = first(&self.calls).into_iter().chain(first(&self.answers)).min()?;
        let (account_number, id) = key;
        let call = self.calls.remove(&key).and_then(|found| self.value(found));
        let call = call.and_then(|bytes| Call::from_bytes(id, &bytes).ok());
        let has_answer = call.as_ref().is_none_or(|call| call.question.is_some() && call.ended_at.is_some());
        // If the call has no answer, an answer in a page that may be unused is one that was removed.
        let found = self.answers.remove(&key).filter(|found| has_answer || found.version == Version::Current);
        let answer = found.and_then(|found| self.value(found));
        let answer = answer.and_then(crate::answer::decode);
        if answer.is_none() && call.as_ref().is_some_and(|call| call.is_answered && call.question.is_some()) {
            self.unreadable.answers += 1;
        }
        let account = self.accounts.get(&account_number).cloned();
        Some(Salvaged { account, account_number, id, call, answer })
    }
}

impl fmt::Debug for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvage").field("unreadable", &self.unreadable).finish_non_exhaustive()
    }
}
