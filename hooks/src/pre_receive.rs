//! `pre-receive`: may this push go on? The kept hook is asked first, then the daemon, if any ref may be managed.
//!
//! Never here: a push of only unmanaged refs waits for nobody.

use std::ffi::OsString;

use crate::ask::{self, say};
use crate::input::{Updates, too_large};
use crate::kept::Kept;
use crate::offline;
use crate::place::Place;
use crate::wire::Hook;

pub(crate) fn run(place: &Place, args: &[OsString]) -> u8 {
    let guard = place.guard();
    let mut kept = match Kept::start(place, "pre-receive", args) {
        Ok(kept) => kept,
        Err(code) => return code,
    };
    let push = Updates::of_push(&mut kept, &guard);
    let code = kept.finish();
    if code != 0 {
        return code;
    }
    let push = match push {
        Ok(push) => push,
        Err(error) => {
            say(&format!("Stoop cannot read what is pushed: {error}."));
            return 1;
        }
    };
    let Some(managed) = push.managed else { return 0 };
    if push.overflow {
        say(&too_large(&managed));
        return 1;
    }
    let request = match place.request(Hook::PreReceive, &guard, push.updates) {
        Ok(request) => request,
        Err(sentence) => {
            say(&sentence);
            return 1;
        }
    };
    match ask::ask(&guard.socket, &request, ask::DECISION) {
        Some(reply) => {
            ask::say_reply(&reply);
            u8::from(!reply.accept)
        }
        None => match offline::sentence(&offline::managed(place, &guard, &request.updates)) {
            Some(sentence) => {
                say(&sentence);
                1
            }
            None => 0,
        },
    }
}
