//! Prints once how to keep answers.

use crate::{files, print, settings};

/// Prints how to keep answers, unless an earlier run has.
pub(crate) fn keep_answers() {
    let marker = settings::data_folder().map(|folder| folder.join("keep-answers-hint"));
    if marker.as_deref().is_some_and(std::path::Path::exists) {
        return;
    }
    print::note(
        "hint: this answer was not kept, so asking again costs credits again; `tgscan init` keeps answers",
    );
    if let Some(marker) = marker {
        // If this fails, the hint is printed again.
        let _ = files::create_parent(&marker).and_then(|()| std::fs::write(&marker, ""));
    }
}
