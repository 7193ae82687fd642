//! A machine that loses power during a write: some sectors of the unflushed pages are on the disk, and others are not.

mod disk;

use disk::{Disk, Failing, Forgetful, Platters};
use fastrand::Rng;
use redb::{Database, ReadableTable, TableDefinition};

use super::*;

const TABLE: TableDefinition<'_, u64, Vec<u8>> = TableDefinition::new("numbers");

fn build(pages: &Pages) -> std::result::Result<Database, redb::DatabaseError> {
    let mut builder = Database::builder();
    builder.set_cache_size(1 << 20).create_with_file_format_v3(true);
    let database = builder.create_with_backend(pages.clone());
    pages.be_strict();
    database
}

/// Writes rows of random length in one transaction. Returns whether it is durable.
fn write(database: &Database, number: u64, rng: &mut Rng) -> bool {
    let mut write = || -> std::result::Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        let mut table = transaction.open_table(TABLE)?;
        table.insert(number, vec![1; rng.usize(..9000)])?;
        // Leaves pages that are used again.
        if number > 20 {
            table.remove(number - 20)?;
        }
        drop(table);
        transaction.commit()?;
        Ok(())
    };
    write().is_ok()
}

fn last(database: &Database) -> u64 {
    let transaction = database.begin_read().unwrap();
    let table = transaction.open_table(TABLE).unwrap();
    // Every page can be read.
    let numbers: Vec<u64> = table.iter().unwrap().map(|row| row.unwrap().0.value()).collect();
    let last = numbers.last().copied().unwrap_or_default();
    assert_eq!(numbers, (last.saturating_sub(19).max(1)..=last).collect::<Vec<_>>());
    last
}

#[test]
fn power_loss_keeps_what_was_committed() {
    let mut rng = Rng::with_seed(32);
    let disk = Disk::default();
    let database = build(&Pages::over(Arc::new(disk.clone()), true).unwrap()).unwrap();
    let mut committed = 0;
    for number in 1..=25 {
        assert!(write(&database, number, &mut rng));
        committed = number;
    }
    drop(database);
    let mut disk = disk;
    for _ in 0..200 {
        let left = Mutex::new(rng.u32(..60));
        let failing = Failing { disk: disk.clone(), left };
        let pages = Pages::over(Arc::new(failing), false).unwrap();
        let mut tried = committed;
        if pages.load().is_ok() {
            if let Ok(database) = build(&pages) {
                for number in committed + 1..committed + 9 {
                    tried = number;
                    if !write(&database, number, &mut rng) {
                        break;
                    }
                    committed = number;
                }
            }
        }
        disk = disk.lose_power(&mut rng);
        let pages = Pages::over(Arc::new(disk.clone()), false).unwrap();
        pages.load().unwrap();
        let found = last(&build(&pages).unwrap());
        assert!((committed..=tried).contains(&found), "{found} of {committed} to {tried}");
        committed = found;
    }
    assert!(committed > 200);
}

#[test]
fn pages_of_a_failed_flush_are_not_used_again() {
    let mut failed = 0;
    for seed in 0..15 {
        let mut rng = Rng::with_seed(seed);
        let disk = Disk::default();
        let database = build(&Pages::over(Arc::new(disk.clone()), true).unwrap()).unwrap();
        (1..25).for_each(|number| assert!(write(&database, number, &mut rng)));
        drop(database);
        // The power is lost before the process begins, so that it recovers.
        let left = Mutex::new(rng.u32(..30));
        let pages = Pages::over(Arc::new(Failing { disk: disk.clone(), left }), false).unwrap();
        pages.load().unwrap();
        let mut reported = 24;
        if let Ok(database) = build(&pages) {
            while reported < 26 && write(&database, reported + 1, &mut rng) {
                reported += 1;
            }
        }
        let crashed = disk.lose_power(&mut rng);
        let copy = |disk: &Disk| Disk(Arc::new(Mutex::new(disk.platters().clone())));
        let pages = Pages::over(Arc::new(copy(&crashed)), false).unwrap();
        pages.load().unwrap();
        let before = last(&build(&pages).unwrap());
        for fails in 1..9 {
            let disk = copy(&crashed);
            let file = Forgetful { disk: disk.clone(), fails: Mutex::new(fails) };
            let pages = Pages::over(Arc::new(file), false).unwrap();
            let mut committed = reported;
            for _ in 0..5 {
                // As the store does after a failure.
                let Ok(database) =
                    pages.load().map_err(redb::DatabaseError::from).and_then(|()| build(&pages))
                else {
                    continue;
                };
                let found = last(&database);
                assert!(found >= committed, "{found} of {committed}");
                // A commit of this process that can be read after a failure must last. The commit that was recovered was
                // never reported, so it may be given up.
                if found > before {
                    committed = found;
                }
                if write(&database, found + 1, &mut rng) {
                    committed = found + 1;
                } else {
                    failed += 1;
                }
            }
            let pages = Pages::over(Arc::new(disk.lose_power_with(0.0, &mut rng)), false).unwrap();
            pages.load().unwrap();
            assert_eq!(last(&build(&pages).unwrap()), committed, "flush {fails} failed");
        }
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn head_of_the_first_commit_is_not_flushed_before_its_pages() {
    let disk = Disk::default();
    drop(build(&Pages::over(Arc::new(disk.clone()), true).unwrap()).unwrap());
    disk.sync_data(false).unwrap();
    let pages = Pages::over(Arc::new(disk.clone()), false).unwrap();
    pages.load().unwrap();
    let [open, commit] = [1, 2].map(head_with);
    pages.write(0, &open).unwrap();
    pages.sync_data(false).unwrap();
    assert_eq!(disk.platters().unflushed, [], "a process that only reads writes nothing");

    // redb may write the head before the pages.
    pages.write(0, &commit).unwrap();
    pages.write(5 * PAGE as u64, &[3; PAGE]).unwrap();
    let heads = |disk: &Disk| {
        Pages::over(Arc::new(disk.clone()), false)
            .unwrap()
            .heads()
            .into_iter()
            .map(|(_, head)| head.bytes)
            .collect()
    };
    let lost: Vec<_> = heads(&disk.lose_power_with(0.0, &mut Rng::with_seed(3)));
    assert_eq!(lost.last(), Some(&open));
    let kept: Vec<_> = heads(&disk.lose_power_with(1.0, &mut Rng::with_seed(3)));
    assert_eq!(kept, [open, commit], "the head of the commit replaces one copy only");
    pages.sync_data(false).unwrap();
    let done: Vec<_> = heads(&disk);
    assert_eq!(done, [commit, commit]);
}

#[test]
fn page_accepted_by_a_recovery_stays_readable_after_another_power_loss() {
    let disk = Disk::default();
    let pages = Pages::over(Arc::new(disk.clone()), true).unwrap();
    let recovering = head_with(head::RECOVERY_REQUIRED);
    pages.write(0, &recovering).unwrap();
    pages.set_len(16 * PAGE as u64).unwrap();
    pages.sync_data(false).unwrap();
    pages.write(0, &recovering).unwrap();
    pages.write(5 * PAGE as u64, &[3; PAGE]).unwrap();
    // The power is lost now. The page and the head reached the disk, and the checksum did not.
    let crashed = disk.lose_power_with(1.0, &mut Rng::with_seed(4));

    for left in 0..9 {
        for seed in 0..50 {
            let mut rng = Rng::with_seed(seed);
            let disk = Disk(Arc::new(Mutex::new(crashed.platters().clone())));
            let failing = Failing { disk: disk.clone(), left: Mutex::new(left) };
            // redb finds that the commit is complete, says so with a commit of two phases, and continues.
            let go_on = || {
                let pages = Pages::over(Arc::new(failing), false)?;
                pages.load()?;
                pages.read(5 * PAGE as u64, PAGE)?;
                pages.write(0, &head_with(head::RECOVERY_REQUIRED | head::TWO_PHASE_COMMIT))?;
                pages.sync_data(false)?;
                pages.write(6 * PAGE as u64, &[4; PAGE])
            };
            let went_on = go_on().is_ok();
            assert!(if left == 0 { !went_on } else { went_on || left < 8 });
            let pages = Pages::over(Arc::new(disk.lose_power_with(0.5, &mut rng)), false).unwrap();
            pages.load().unwrap();
            assert_eq!(pages.read(5 * PAGE as u64, PAGE).unwrap(), [3; PAGE], "{left} {seed}");
        }
    }
}

#[test]
fn shorter_length_reaches_the_disk_after_the_head_that_states_it() {
    for seed in 0..50 {
        let mut rng = Rng::with_seed(seed);
        let disk = Disk::default();
        let pages = Pages::over(Arc::new(disk.clone()), true).unwrap();
        pages.write(0, &head_with(0)).unwrap();
        for number in [40, 20] {
            pages.set_len(number * PAGE as u64).unwrap();
            pages.write(7 * PAGE as u64, &[5; PAGE]).unwrap();
            pages.sync_data(false).unwrap();
        }
        pages.set_len(10 * PAGE as u64).unwrap();
        let pages = Pages::over(Arc::new(disk.lose_power_with(0.5, &mut rng)), false).unwrap();
        pages.load().unwrap();
        assert_eq!(pages.read(7 * PAGE as u64, PAGE).unwrap(), [5; PAGE]);
    }
}

#[test]
fn damaged_page_is_refused_where_only_a_new_length_was_lost() {
    let disk = Disk::default();
    let pages = Pages::over(Arc::new(disk.clone()), true).unwrap();
    pages.write(0, &head_with(head::RECOVERY_REQUIRED)).unwrap();
    pages.set_len(16 * PAGE as u64).unwrap();
    pages.write(5 * PAGE as u64, &[3; PAGE]).unwrap();
    pages.sync_data(false).unwrap();
    disk.sync_data(false).unwrap();
    pages.set_len(40 * PAGE as u64).unwrap();
    let crashed = disk.lose_power_with(1.0, &mut Rng::with_seed(4));
    let shorter = usize::try_from(end(16)).unwrap();
    crashed.platters().current.truncate(shorter);
    let pages = Pages::over(Arc::new(crashed.clone()), false).unwrap();
    pages.load().unwrap();
    assert_eq!(pages.read(5 * PAGE as u64, PAGE).unwrap(), [3; PAGE]);
    crashed.platters().current[usize::try_from(place(5)).unwrap()] ^= 1;
    let error = pages.read(5 * PAGE as u64, PAGE).unwrap_err().to_string();
    assert_eq!(error, "page 5 has a wrong checksum");
}

fn head_with(flags: u8) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[FLAGS] = flags;
    head
}

#[test]
fn damaged_copy_of_the_head_is_replaced_by_the_other() {
    let disk = Disk::default();
    let database = build(&Pages::over(Arc::new(disk.clone()), true).unwrap()).unwrap();
    let mut rng = Rng::with_seed(1);
    (1..=25).for_each(|number| assert!(write(&database, number, &mut rng)));
    drop(database);
    for copy in COPIES {
        for at in 0..COPY {
            let damaged = Disk(Arc::new(Mutex::new(disk.platters().clone())));
            damaged.platters().current[usize::try_from(copy).unwrap() + at] ^= 1 << (at % 8);
            let pages = Pages::over(Arc::new(damaged), false).unwrap();
            pages.load().unwrap();
            if at % 16 == 0 {
                assert_eq!(last(&build(&pages).unwrap()), 25);
            }
        }
    }
}

/// Returns a disk whose copies of the head differ because power was lost after the last flush of a regular end.
fn closed_without_last_copy() -> Disk {
    let disk = Disk::default();
    let database = build(&Pages::over(Arc::new(disk.clone()), true).unwrap()).unwrap();
    let mut rng = Rng::with_seed(2);
    (1..=25).for_each(|number| assert!(write(&database, number, &mut rng)));
    drop(database);
    let platters = disk.platters();
    let copies = COPIES.map(|at| &platters.flushed[usize::try_from(at).unwrap()..][..COPY]);
    assert_ne!(copies[0], copies[1]);
    let left = Platters { current: platters.flushed.clone(), ..platters.clone() };
    Disk(Arc::new(Mutex::new(left)))
}

#[test]
fn damaged_page_is_refused_where_no_recovery_is_needed() {
    let disk = closed_without_last_copy();
    let whole = disk.platters().current.clone();
    let place_of = |page: u64| usize::try_from(place(page)).unwrap();
    let sum_of = |page: u64| {
        let at = usize::try_from(place_of_sums((page - 1) / GROUP) + (page - 1) % GROUP * CHECKSUM as u64)
            .unwrap();
        at..at + CHECKSUM
    };
    let pages = Pages::over(Arc::new(disk.clone()), false).unwrap().count_by_length();
    let used = (1..pages).filter(|page| whole[place_of(*page)..][..PAGE].iter().any(|byte| *byte != 0));
    let mut refused = 0;
    for page in used {
        // The middle of a page is mostly in a value, which redb does not verify when it opens the file.
        let at = place_of(page) + PAGE / 2;
        let damaged = Disk(Arc::new(Mutex::new(disk.platters().clone())));
        damaged.platters().current[at] ^= 1;
        let pages = Pages::over(Arc::new(damaged.clone()), false).unwrap();
        pages.load().unwrap();
        let read = build(&pages).map_err(redb::Error::from).and_then(|database| {
            let table = database.begin_read()?.open_table(TABLE)?;
            table.iter()?.map(|row| Ok(row?.1.value())).collect::<std::result::Result<Vec<_>, redb::Error>>()
        });
        refused += usize::from(read.is_err());
        let after = &damaged.platters().current;
        if after[at] != whole[at] {
            assert_eq!(after[sum_of(page)], whole[sum_of(page)], "page {page} was accepted");
        }
    }
    assert!(refused > 10, "{refused}");
}
