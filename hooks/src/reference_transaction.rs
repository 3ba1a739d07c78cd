//! `reference-transaction`: refs are about to move, or have moved, whoever moves them. What is no real change (packing and
//! pruning, as in `git gc`) is told apart here, so that the daemon is never asked about it.
//!
//! Never here: a failure outside the state `prepared`; git heeds none there.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::ask::{self, say};
use crate::guard::Guard;
use crate::input::{Updates, too_large};
use crate::kept::Kept;
use crate::offline;
use crate::place::Place;
use crate::refs;
use crate::wire::{Hook, State, Update, is_zero};

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

/// Leaves out what changes no ref's value: an edit to what the ref says already (packing), an edit from nothing whose new
/// value stands in no lock of the ref (packing what has moved on meanwhile; a real edit has written its value there), and
/// a deletion while `packed-refs` is not locked (the loose file of a packed ref goes; a real deletion holds that lock).
fn real_changes(place: &Place, mut edits: Vec<Update>) -> Vec<Update> {
    let files_backend = !place.repository.join("reftable").exists();
    if edits.iter().any(Update::deletes) && files_backend && !place.repository.join("packed-refs.lock").exists() {
        edits.retain(|edit| !edit.deletes());
    }
    let names = edits.iter().filter(|edit| !edit.deletes()).map(|edit| edit.name.clone()).collect::<Vec<_>>();
    let current = refs::values(&place.repository, names.iter().map(|name| &**name));
    let packing = |edit: &Update| files_backend && is_zero(&edit.old) && !refs::lock_holds(&place.repository, edit);
    edits.retain(|edit| edit.deletes() || (current.get(&*edit.name) != Some(&edit.new) && !packing(edit)));
    edits
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
