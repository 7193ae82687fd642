//! Removes the data about a person.

use tgscan_core::store::Erased;
use tgscan_core::types::UserQuery;

use crate::args::Global;
use crate::exit::{Code, Failure, counted};
use crate::show::escape;
use crate::{connect, print};

pub(crate) async fn run(global: &Global, person: &UserQuery, yes: bool) -> Result<Code, Failure> {
    let accounts = connect::accounts(global).await?;
    let shown = escape(&person.as_str());
    let mut found = Erased::default();
    for account in &accounts {
        let here = account.find_person(person).await?;
        if here.questions > 0 {
            let name = account.name();
            print::note(&format!(
                "{} at {}: {} and {} about {shown}",
                escape(&name.label),
                escape(&name.service),
                counted(here.questions, "question"),
                counted(here.answers, "answer"),
            ));
        }
        found.questions += here.questions;
        found.answers += here.answers;
    }
    if found.questions == 0 {
        return Err(Failure::usage(format!("the store has nothing about {shown}; nothing was removed")));
    }
    if !yes && !print::confirmed("Remove them?", "--yes removes them; nothing was removed")? {
        return Err(Failure::usage("nothing was removed"));
    }
    let mut erased = Erased::default();
    for account in &accounts {
        let here = account.erase(person).await?;
        erased.questions += here.questions;
        erased.answers += here.answers;
    }
    print::note(&format!(
        "erased: {}, {}. The bill keeps their cost. Earlier output files (--out) are not changed: remove the rows there yourself",
        counted(erased.questions, "question"),
        counted(erased.answers, "answer"),
    ));
    Ok(Code::Done)
}
