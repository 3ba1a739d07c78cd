//! `post-receive`: the refs have moved. The kept hook hears of it first, then the pusher reads what the daemon has to say.
//!
//! Never here: a failure of Stoop's own; nothing can be refused any more.

use std::env;
use std::ffi::OsString;

use crate::ask::{self, say};
use crate::input::Updates;
use crate::kept::Kept;
use crate::offline;
use crate::place::Place;
use crate::wire::{ANNOUNCING, Hook};

pub(crate) fn run(place: &Place, args: &[OsString]) -> u8 {
    if env::var_os(ANNOUNCING).is_some() {
        return 0;
    }
    let guard = place.guard();
    let mut kept = match Kept::start(place, "post-receive", args) {
        Ok(kept) => kept,
        Err(code) => return code,
    };
    let push = Updates::of_push(&mut kept, &guard);
    let code = kept.finish();
    let Ok(push) = push else { return code };
    if push.managed.is_none() || push.overflow {
        return code;
    }
    let Ok(request) = place.request(Hook::PostReceive, &guard, push.updates) else { return code };
    match ask::ask(&guard.socket, &request, ask::DECISION) {
        Some(reply) => reply.lines.iter().for_each(|line| say(line)),
        None if offline::managed(place, &guard, &request.updates).is_empty() => {}
        None => say(
            "The push went through, but Stoop stopped before it could say what follows; it will finish when it runs again.",
        ),
    }
    code
}
