//! Accounts and stores.

use tgscan_core::store::Row as _;

use super::*;

/// Prints the types of an account's book.
pub(super) fn show_account(printer: &mut Printer) {
    let api = api().with_budget(Budget::new("team", 9, Period::Total, Reserve::PerCall(1)));
    let ledger = api.ledger();
    drop(Step::begin(&api, user(USERNAME), at(Duration::ZERO)));
    printer.debug(&Budget::new("team", 9, Period::Total, Reserve::PerCall(1)));
    printer.debug(&Period::Day);
    printer.debug(ledger);
    printer.debug(&ledger.book());
    let budget = BudgetKey { label: "team".into(), period: Period::Day, number: 7 };
    printer.debug(&budget);
    printer.debug(&ledger.book().totals());
    let start = ledger.start_comparison(1, Duration::ZERO, 0);
    printer.debug(&start);
    let ComparisonStart::Started(comparison) = start else { panic!("an attempt runs") };
    printer.debug(&comparison);
    let report = ledger.finish_comparison(comparison, 5, 0);
    printer.debug(&report);
    printer.debug(&report.outcome);
    printer.debug(&at(Duration::ZERO));
    printer.debug(&Drained::default());
}

fn stored_answer() -> Answer {
    let body = Bytes::from(search_answer());
    Answer { status: 200, body, credits: Credits::Charged(1), at: 0 }
}

/// A store with one answer.
struct OneAnswer;

#[async_trait]
impl Store for OneAnswer {
    async fn transact(&self, _: &AccountName, _: Needs, _: Decide) -> Result<(), StoreError> {
        Err(StoreError::new("the disk is full"))
    }
    async fn read(&self, _: &AccountName, _: Selection) -> Result<Found, StoreError> {
        let question = QuestionRow::from_bytes(br#"{"a":[7,0,1000]}"#)?;
        Ok(Found { question, answer: Some(stored_answer()), ..Found::default() })
    }
    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        Ok(Vec::new())
    }
    async fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn spawn(&self, mut task: Task) {
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
    async fn pause(&self, _: Duration) {}
}

/// Prints each type of the store's contract, with a question and an answer.
pub(super) fn show_store(printer: &mut Printer) {
    let question = Question::new(true, "search", format!("query={USERNAME}"));
    let row = format!(
        r#"{{"e":{{"m":"search","r":1}},"q":{{"l":true,"m":"search","f":"query={USERNAME}"}},"o":1,"t":[1,1],
        "c":0,"s":0,"k":0,"x":0,"p":["{USERNAME}","{ID}"]}}"#
    );
    let call = Call::from_bytes(7, row.as_bytes()).unwrap();
    assert_eq!(call.question.as_ref(), Some(&question));
    printer.debug(&call);
    printer.debug(&call.entry);
    printer.debug(&call.state());
    printer.debug(&CallState::Answered);
    printer.debug(&question);
    printer.debug(&stored_answer());
    let event = Event::Purchased(1);
    printer.debug(&event);
    let entry = JournalEntry::from_bytes(br#"{"at":0,"event":{"Purchased":1}}"#).unwrap();
    printer.debug(&entry);
    printer.debug(&AccountRow::default());
    printer.debug(&QuestionRow::default());
    let (mut needs, mut changes) = (Needs::default(), Changes::default());
    needs.questions.push(question.key());
    printer.debug(&needs);
    printer.debug(&Loaded {
        questions: vec![(question.key(), QuestionRow::default())],
        calls: vec![call.clone()],
        damaged_questions: vec![question.key()],
        ..Loaded::default()
    });
    let (calls, answer) = (vec![call.clone()], Some(stored_answer()));
    printer.debug(&Found { calls, answer, ..Found::default() });
    printer.debug(&Selection::Question(question.key()));
    changes.questions.push((question.key(), None));
    changes.calls.push((Some(call), None));
    changes.answers.push((7, Some(stored_answer())));
    printer.debug(&changes);
    printer.debug(&Selection::People(vec![USERNAME.into(), ID.into()]));
    printer.debug(&Selection::History(question.key()));
    printer.debug(&Erased::default());
    printer.debug(&Lookup::New);
    let policy = StorePolicy::new("main", Duration::from_secs(9), Duration::MAX);
    printer.debug(&policy);
    printer.debug(&Storage::NotStored(StoreError::new("the disk is full")));
    printer.display(&StoreError::new("the disk is full"));
    printer.display(&StoreRefusal::Uncertain { call: 7, age: Duration::ZERO, charged: Some(1) });

    let account = Account::new(Arc::new(OneAnswer), AccountName::new("main", "api.tgdev.io"));
    printer.debug(&account);
    printer.debug(account.name());
    for lookup in [Lookup::StoredOrNew, Lookup::New] {
        let now = at(Duration::ZERO);
        let step = Step::begin_stored(&api(), &account, &policy, lookup, user(USERNAME), now);
        printer.debug(&step);
        let Step::Ask(asking) = step else { panic!("not asked") };
        printer.debug(&asking);
        let answered = block_on(asking.ask());
        printer.debug(&answered);
        let step = asking.answered(answered, at(Duration::ZERO));
        printer.debug(&step);
        let Step::Done(result) = step else { panic!("not done: {step:?}") };
        assert_eq!(result.is_ok(), lookup == Lookup::StoredOrNew);
    }
    // Traits, numeric types, and types that only a store or a client can construct.
    printer.0.extend(["Store", "Row", "CallId", "OwnerId", "BillRow", "SendBy"].map(ToOwned::to_owned));
}
