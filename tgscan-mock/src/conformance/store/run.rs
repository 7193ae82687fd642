//! Plays a course on a store and on the model, and compares them after each step.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tgscan_core::ledger::ReconcileOutcome;
use tgscan_core::store::{
    CallState, Claim, ClaimRequest, Question, Settlement, Store, StoreCap, StoreError, StoredCall,
};
use tgscan_core::{Credits, Reserve};

use super::model::{ACCOUNTS, CAP, Expected, Model, PEOPLE, QUESTIONS, body};
use super::step::{Cap, Ending, MaxAge, Step};
use super::{Broken, Rule, StoreUnderTest};

/// What an account has at first, and what a purchase brings.
const BALANCE: i64 = 1_000_000;
const PURCHASE: u64 = 10_000;
/// How often something is looked at that a store may do a little later.
const PATIENCE: usize = 100_000;

type Result<T = ()> = std::result::Result<T, Broken>;

fn broken(rule: Rule, what: impl Into<String>) -> Broken {
    Broken { rule, what: what.into() }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
fn failed(error: StoreError) -> Broken {
    broken(Rule::Accounting, format!("the store failed: {error}"))
}

/// Plays a course on an empty store.
pub(super) async fn play(subject: &mut impl StoreUnderTest, steps: &[Step]) -> Result {
    let mut course = Course { store: Some(subject.open()), model: Model::default(), rule: Rule::Accounting };
    for step in steps {
        course.take(subject, *step).await?;
        course.compare().await?;
    }
    Ok(())
}

struct Course {
    /// `None` while it is opened again.
    store: Option<Arc<dyn Store>>,
    model: Model,
    /// What a difference would break that shows after the last step.
    rule: Rule,
}

fn question(number: usize) -> Question {
    let (account, is_live, method, person, _) = QUESTIONS[number];
    Question::new(ACCOUNTS[account], is_live, method, format!("query={}", PEOPLE[person]))
}

fn request(number: usize) -> ClaimRequest {
    let minutes = u64::try_from(QUESTIONS[number].4).unwrap_or_default();
    ClaimRequest::new(question(number), Duration::from_secs(60 * minutes))
}

fn settlement((ending, cost): (Ending, u64), id: u64, question: usize) -> Settlement {
    let answered = |credits| Settlement::Answered { status: 200, body: body(id, question).into(), credits };
    match ending {
        Ending::Answered if cost == 0 => answered(Credits::NotCharged),
        Ending::Answered => answered(Credits::Charged(cost)),
        Ending::AnsweredUncertain => answered(Credits::Uncertain),
        Ending::NotCharged => Settlement::NotCharged,
        Ending::Charged => Settlement::Unanswered(Some(cost)),
        Ending::Uncertain => Settlement::Unanswered(None),
    }
}

impl Course {
    fn store(&self) -> &dyn Store {
        // Only absent within a crash.
        self.store.as_deref().expect("the store is open")
    }

    /// The call at a place among those that are in some state.
    fn nth(&self, place: usize, is_meant: impl Fn(&super::model::Call) -> bool) -> Option<(u64, usize)> {
        let meant: Vec<_> = self.model.calls.iter().filter(|call| is_meant(call)).collect();
        meant.get(place % meant.len().max(1)).map(|call| (call.id, call.question))
    }

    async fn take(&mut self, subject: &mut impl StoreUnderTest, step: Step) -> Result {
        self.rule = Rule::Accounting;
        match step {
            Step::Claim { question, max_age, stored_only, cap, pays_again } => {
                self.claim(question, max_age, stored_only, cap, pays_again).await?;
            }
            Step::DropClaim { question } => self.drop_claim(question).await?,
            Step::Settle { call, ending } => {
                if let Some((id, question)) = self.nth(call, |call| call.state == CallState::InFlight) {
                    self.store()
                        .settle(id, settlement(self.model.credits(id, ending), id, question))
                        .await
                        .map_err(failed)?;
                    self.model.settle(id, ending);
                    if ending == Ending::NotCharged {
                        self.rule = Rule::Release;
                    }
                }
            }
            Step::SettleLate { call, ending } => {
                let is_late = |call: &super::model::Call| call.state != CallState::InFlight;
                if let Some((id, question)) = self.nth(call, is_late) {
                    self.store()
                        .settle(id, settlement(self.model.credits(id, ending), id, question))
                        .await
                        .map_err(failed)?;
                    self.model.settle(id, ending);
                    self.rule = Rule::DeadOwner;
                }
            }
            Step::Abandon { call, ending } => {
                if let Some((id, question)) = self.nth(call, |call| call.state == CallState::InFlight) {
                    self.store().abandon(id, settlement(self.model.credits(id, ending), id, question));
                    self.model.settle(id, ending);
                    self.rule = if ending == Ending::NotCharged { Rule::Release } else { Rule::DeadOwner };
                    self.wait_until_not_in_flight(id).await?;
                }
            }
            Step::Crash => {
                self.store = None;
                subject.crash();
                self.store = Some(subject.open());
                self.model.crash();
                self.rule = Rule::DurableClaim;
            }
            Step::Advance(hours) => {
                if hours < 0 {
                    // What is over may be gone already, or is back.
                    self.store().expire().await.map_err(failed)?;
                    self.model.expire();
                }
                subject.advance(hours);
                self.model.advance(hours);
            }
            Step::Expire => {
                self.rule = Rule::Expiry;
                let removed = self.store().expire().await.map_err(failed)?;
                // Some may have gone along the way.
                let due = self.model.expire();
                if removed > due {
                    return Err(broken(Rule::Expiry, format!("{removed} expired instead of {due}")));
                }
            }
            Step::Erase { person } => {
                self.rule = Rule::Erasing;
                let query = PEOPLE[person].parse().map_err(|_| broken(Rule::Erasing, "no name"))?;
                self.model.expire();
                self.store().expire().await.map_err(failed)?;
                let erased = self.store().erase(&query).await.map_err(failed)?;
                let expected = self.model.erase(person);
                if (erased.questions, erased.answers) != expected {
                    return Err(broken(Rule::Erasing, format!("{erased:?} instead of {expected:?}")));
                }
            }
            Step::Resolve { call } => {
                self.rule = Rule::Settling;
                if let Some((id, _)) = self.nth(call, super::model::Call::is_listed) {
                    let cost = self.model.resolve(id);
                    if !self.store().resolve(id, cost).await.map_err(failed)? {
                        return Err(broken(Rule::Settling, "an uncertain call cannot be settled by hand"));
                    }
                }
            }
            Step::TopUp { account, is_recorded } => {
                self.rule = Rule::Settling;
                self.model.top_up(account, PURCHASE, is_recorded);
                if is_recorded {
                    self.store().record_top_up(ACCOUNTS[account], PURCHASE).await.map_err(failed)?;
                }
            }
            Step::Reconcile { account } => self.reconcile(account).await?,
        }
        Ok(())
    }

    async fn claim(
        &mut self,
        question: usize,
        max_age: MaxAge,
        stored_only: bool,
        cap: Cap,
        pays_again: bool,
    ) -> Result {
        let mut request = request(question);
        let ninety_minutes = Duration::from_secs(90 * 60);
        request.max_age = match max_age {
            MaxAge::None => None,
            MaxAge::NinetyMinutes => Some(ninety_minutes),
            MaxAge::Any => Some(Duration::MAX),
        };
        request.stored_only = stored_only;
        request.pay_again_after = pays_again.then_some(ninety_minutes);
        let reserve = match cap {
            Cap::None => None,
            Cap::TwoPerCall => Some(Reserve::PerCall(2)),
            Cap::OneAtATime => Some(Reserve::OneAtATime),
        };
        request.cap = reserve.map(|reserve| StoreCap { credits: CAP, reserve });
        let expected = self.model.claim(question, max_age, stored_only, cap, pays_again);
        let claim = self.store().claim(&request).await.map_err(failed)?;
        let is_right = match (&claim, &expected) {
            (Claim::Granted(id), Expected::Granted) => {
                if *id <= self.model.last() {
                    return Err(broken(Rule::OneClaim, format!("call {id} is not above the last one")));
                }
                self.model.granted(*id, question);
                true
            }
            (Claim::Stored(answer), Expected::Stored(id)) => answer.body == body(*id, question).as_bytes(),
            (Claim::InFlight { .. }, Expected::InFlight)
            | (Claim::CapReached(_), Expected::Cap)
            | (Claim::NotStored, Expected::NotStored) => true,
            (Claim::Uncertain { call, charged, .. }, Expected::Uncertain(id, credits)) => {
                call == id && charged == credits
            }
            _ => false,
        };
        if is_right {
            return Ok(());
        }
        let rule = match (&expected, &claim) {
            (_, Claim::Stored(answer)) if !self.is_answer_of(question, &answer.body) => Rule::Isolation,
            (Expected::Stored(_), _) => Rule::DurableAnswer,
            (_, Claim::Stored(_)) => Rule::Expiry,
            (Expected::Cap, _) | (_, Claim::CapReached(_)) => Rule::Cap,
            (Expected::InFlight, Claim::Granted(_)) => Rule::OneClaim,
            (Expected::Uncertain(..) | Expected::InFlight, _) => Rule::DeadOwner,
            (Expected::Granted, Claim::InFlight { .. } | Claim::Uncertain { .. }) => Rule::Isolation,
            _ => Rule::OneClaim,
        };
        Err(broken(rule, format!("{claim:?} instead of {expected:?}")))
    }

    fn is_answer_of(&self, question: usize, answer: &[u8]) -> bool {
        let mut own = self.model.calls.iter().filter(|call| call.question == question);
        own.any(|call| body(call.id, question).as_bytes() == answer)
    }

    async fn drop_claim(&mut self, question: usize) -> Result {
        let mut request = request(question);
        request.max_age = None;
        {
            let store = self.store.clone();
            let store = store.as_deref().expect("the store is open");
            let mut claim = store.claim(&request);
            let polled = poll_fn(|context| Poll::Ready(claim.as_mut().poll(context))).await;
            drop(claim);
            if let Poll::Ready(Ok(Claim::Granted(id))) = polled {
                // It was received after all.
                store.abandon(id, Settlement::NotCharged);
            }
        }
        self.rule = Rule::Release;
        self.wait_for_in_flight(QUESTIONS[question].0).await
    }

    /// Waits until a call that was given up is booked.
    async fn wait_until_not_in_flight(&self, id: u64) -> Result {
        for _ in 0..PATIENCE {
            let calls = self.store().calls(id - 1, 1).await.map_err(failed)?;
            if calls.first().is_none_or(|call| call.id != id || call.state != CallState::InFlight) {
                return Ok(());
            }
        }
        Err(broken(self.rule, "an abandoned call stays in flight"))
    }

    async fn wait_for_in_flight(&self, account: usize) -> Result {
        let in_flight =
            |call: &&super::model::Call| call.account() == account && call.state == CallState::InFlight;
        let expected = self.model.calls.iter().filter(in_flight).count() as u64;
        // What is to come may come a little later, so that it is looked at more than once.
        let mut right = 0;
        for _ in 0..PATIENCE {
            let book = self.store().book(ACCOUNTS[account]).await.map_err(failed)?;
            right = if book.in_flight_calls() == expected { right + 1 } else { 0 };
            if right == 3 {
                return Ok(());
            }
        }
        Err(broken(Rule::Release, "a claim that was dropped before it was answered stays in flight"))
    }

    async fn reconcile(&mut self, account: usize) -> Result {
        self.rule = Rule::Settling;
        let name = ACCOUNTS[account];
        let start = self.store().start_reconcile(name).await.map_err(failed)?;
        let amount = |credits: u64| i64::try_from(credits).unwrap_or(i64::MAX);
        let balance =
            BALANCE + amount(self.model.accounts[account].bought) - amount(self.model.truth(account));
        let seen = self.store().finish_reconcile(name, start, balance).await.map_err(failed)?;
        let expected = self.model.reconcile(account);
        let said = match seen.outcome {
            ReconcileOutcome::Baseline => ("baseline", 0),
            ReconcileOutcome::Agrees => ("agrees", 0),
            ReconcileOutcome::Settled(credits) => ("settled", credits),
            ReconcileOutcome::ToppedUp(_) => ("topped up", 0),
            ReconcileOutcome::CallsInFlight => ("in flight", 0),
            _ => ("something else", 0),
        };
        if said == expected {
            return Ok(());
        }
        Err(broken(Rule::Settling, format!("the balance: {:?} instead of {expected:?}", seen.outcome)))
    }

    /// Compares everything that a store says with the model.
    async fn compare(&self) -> Result {
        let differs = |what: String| Err(broken(self.rule, what));
        let calls = self.store().calls(0, 1000).await.map_err(failed)?;
        if calls.len() != self.model.calls.len() {
            return differs(format!("{} calls on record instead of {}", calls.len(), self.model.calls.len()));
        }
        for (call, expected) in calls.iter().zip(&self.model.calls) {
            if (call.id, call.state, call.charged) != (expected.id, expected.state, expected.charged) {
                return differs(format!(
                    "call {} is {:?} at {} instead of {:?} at {}",
                    call.id, call.state, call.charged, expected.state, expected.charged
                ));
            }
            self.compare_content(call, expected)?;
        }
        for (number, account) in ACCOUNTS.into_iter().enumerate() {
            let of_account = || self.model.calls.iter().filter(|call| call.account() == number);
            let book = self.store().book(account).await.map_err(failed)?;
            let said = (book.charged, book.unexplained, book.in_flight_calls(), book.uncertain_calls());
            let expected = (
                self.model.charged(number),
                0,
                of_account().filter(|call| call.state == CallState::InFlight).count() as u64,
                of_account().filter(|call| call.is_uncertain()).count() as u64,
            );
            if said != expected {
                return differs(format!(
                    "{account}: charged, unexplained, in flight and uncertain are {said:?} instead of {expected:?}"
                ));
            }
            let listed = self.store().uncertain(account).await.map_err(failed)?;
            let listed: Vec<u64> = listed.iter().map(|call| call.id).collect();
            let expected: Vec<u64> =
                of_account().filter(|call| call.is_listed()).map(|call| call.id).collect();
            if listed != expected {
                return differs(format!("{account}: uncertain are {listed:?} instead of {expected:?}"));
            }
        }
        let bill = self.store().bill().await.map_err(failed)?;
        let billed = bill.iter().fold((0, 0), |sum, row| (sum.0 + row.calls, sum.1 + row.charged));
        let expected = (calls.len() as u64, calls.iter().map(|call| call.charged).sum());
        if billed != expected {
            return differs(format!("the bill has (calls, credits) {billed:?} instead of {expected:?}"));
        }
        Ok(())
    }

    /// Compares question and answer of a call. What is over may be gone already.
    fn compare_content(&self, call: &StoredCall, expected: &super::model::Call) -> Result {
        match (&call.question, expected.is_forgotten) {
            (Some(asked), false) if *asked != question(expected.question) => {
                return Err(broken(Rule::Isolation, format!("call {} has another question", call.id)));
            }
            (Some(_), true) => {
                return Err(broken(self.rule, format!("the question of call {} is still there", call.id)));
            }
            _ => {}
        }
        match (&call.answer, expected.answered) {
            (Some(answer), Some(_)) if answer.body != body(call.id, expected.question).as_bytes() => {
                Err(broken(Rule::DurableAnswer, format!("call {} has another answer", call.id)))
            }
            (Some(_), None) => {
                Err(broken(self.rule, format!("the answer of call {} is still there", call.id)))
            }
            (None, Some(_)) if call.question.is_some() => {
                Err(broken(Rule::DurableAnswer, format!("the answer of call {} is gone", call.id)))
            }
            _ => Ok(()),
        }
    }
}
