//! `reference-transaction`: refs are about to move, or have moved, whoever moves them. What is no real change (packing and
//! pruning, as in `git gc`) is told apart here, so that the daemon is never asked about it.
//!
//! Never here: a failure outside the state `prepared`; git heeds none there.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

use crate::ask::{self, say};
use crate::guard::Guard;
use crate::input::{Updates, too_large};
use crate::kept::Kept;
use crate::offline;
use crate::place::Place;
use crate::refs;
use crate::wire::{Hook, State, Update};

pub(crate) fn run(place: &Place, args: &[OsString]) -> u8 {
    let guard = place.guard();
    let mut kept = match Kept::start(place, "reference-transaction", args) {
        Ok(kept) => kept,
        Err(code) => return code,
    };
    let edits = Updates::of_transaction(&mut kept, &guard);
    let code = kept.finish();
    let Some(state) = args.first().and_then(|word| State::parse(word.as_bytes())) else { return code };
    match (state, edits) {
        (State::Prepared, _) if code != 0 => code,
        (State::Prepared, Ok(edits)) => prepared(place, &guard, edits),
        (State::Prepared, Err(error)) => {
            say(&format!("Stoop cannot read which refs change: {error}."));
            1
        }
        (_, Ok(edits)) => {
            finished(place, &guard, state, edits);
            code
        }
        (_, Err(_)) => code,
    }
}

fn prepared(place: &Place, guard: &Guard, edits: Updates) -> u8 {
    if let (true, Some(name)) = (edits.overflow, &edits.managed) {
        say(&too_large(name));
        return 1;
    }
    let changes = real_changes(place, edits.updates);
    if changes.is_empty() {
        return 0;
    }
    let request = match place.request(Hook::ReferenceTransaction(State::Prepared), guard, changes) {
        Ok(request) => request,
        Err(sentence) => {
            say(&sentence);
            return 1;
        }
    };
    if let Some(reply) = ask::ask(&guard.socket, &request, ask::DECISION) {
        ask::say_reply(&reply);
        return u8::from(!reply.accept);
    }
    match offline::sentence(&offline::managed(place, guard, &request.updates)) {
        Some(sentence) => {
            say(&sentence);
            1
        }
        None => 0,
    }
}

/// Leaves out what changes no ref's value: an edit to what the ref says already (packing), and a deletion while
/// `packed-refs` is not locked (the loose file of a packed ref goes; a real deletion holds that lock). Packing is also an edit
/// of a ref that is not locked for it, while `packed-refs` is: that ref moved on since `git pack-refs` read it.
fn real_changes(place: &Place, mut edits: Vec<Update>) -> Vec<Update> {
    let files_backend = !place.repository.join("reftable").exists();
    if files_backend && !place.repository.join("packed-refs.lock").exists() {
        edits.retain(|edit| !edit.deletes());
    } else if files_backend {
        edits.retain(|edit| edit.deletes() || is_locked_for(place, edit));
    }
    let names = edits.iter().filter(|edit| !edit.deletes()).map(|edit| edit.name.clone()).collect::<Vec<_>>();
    let current = refs::values(&place.repository, names.iter().map(|name| &**name));
    edits.retain(|edit| edit.deletes() || current.get(&*edit.name) != Some(&edit.new));
    edits
}

/// Whether the ref's lock is there and may hold the new value, which git writes into it before it runs this hook. Another
/// program's lock holds another value.
fn is_locked_for(place: &Place, edit: &Update) -> bool {
    let name = [&edit.name[..], b".lock"].concat();
    match std::fs::read(place.repository.join(OsStr::from_bytes(&name))) {
        Ok(content) => edit.new.starts_with("ref:") || content.trim_ascii() == edit.new.as_bytes(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Tells the daemon, except of deletions whose ref is still there: those were prunes.
fn finished(place: &Place, guard: &Guard, state: State, edits: Updates) {
    let mut updates = edits.updates;
    if state == State::Committed && updates.iter().any(Update::deletes) {
        let names = updates.iter().map(|update| update.name.clone()).collect::<Vec<_>>();
        let current = refs::values(&place.repository, names.iter().map(|name| &**name));
        updates.retain(|update| !(update.deletes() && current.contains_key(&*update.name)));
    }
    if updates.is_empty() {
        return;
    }
    if let Ok(request) = place.request(Hook::ReferenceTransaction(state), guard, updates) {
        // Only a hint: whatever comes of it, the refs have moved.
        let _ = ask::ask(&guard.socket, &request, ask::NOTICE);
    }
}
