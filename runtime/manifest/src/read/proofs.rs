//! `app_check` and `check_revoked`: what a caller must prove beside the token itself.

use super::{TriggerKind, choice};
use crate::fault::{Code, Faults};
use crate::model::Auth;
use crate::reader::Table;

/// Neither is asked for unless it is written.
#[derive(Default)]
pub(super) struct Proofs {
    pub(super) app_check: bool,
    pub(super) check_revoked: bool,
}

/// For `http` and `callable`: no app sends events.
pub(super) fn read(
    table: &Table<'_>,
    trigger: TriggerKind,
    auth: Option<Auth>,
    faults: &mut Faults<'_>,
) -> Proofs {
    match trigger {
        TriggerKind::Storage | TriggerKind::Event => Proofs::default(),
        TriggerKind::Http | TriggerKind::Callable => {
            let words = [("required", true), ("none", false)];
            let app_check = choice(table, "app_check", "`app_check`", &words, faults);
            let check_revoked = table.boolean("check_revoked", faults);
            if check_revoked == Some(true) && auth == Some(Auth::None) {
                warn_of_unseen_tokens(table, faults);
            }
            Proofs {
                app_check: app_check.unwrap_or_default(),
                check_revoked: check_revoked.unwrap_or_default(),
            }
        }
    }
}

fn warn_of_unseen_tokens(table: &Table<'_>, faults: &mut Faults<'_>) {
    let Some(span) = table.key("check_revoked") else {
        return;
    };
    let message = format!(
        "nobody looks at the tokens that {} is called with: `check_revoked` keeps nobody out",
        table.name
    );
    faults
        .add(Code::OpenDoor, span, message)
        .help("remove `check_revoked`, or write `auth = \"required\"`");
}
