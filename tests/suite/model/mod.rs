//! Random actions through both doors against a pure model: after every step the daemon must show exactly the model's state,
//! across restarts, kills and losses of the cache.
//!
//! The model asks the product's one table (`domain::lifecycle::step`) and knows besides only what the design says about
//! numbers, names, bases and who proposed. `STOOP_MODEL_SEED` (a number) repeats a run or tries another one.
//! Never here: content rules (see `push_rules`) and things at the same moment (see `concurrent`).

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use stoop::domain::lifecycle::{Action, Lifecycle, State, action_between, removal};

use crate::support::USERS;
use pure::Model;
use real::Real;

mod pure;
mod real;

const PACKAGES: [&str; 2] = ["a", "b/c"];
const WORKSPACES: [&str; 3] = ["w1", "w2", "w3"];

/// One random step.
#[derive(Debug, Clone)]
enum Move {
    /// By push, whatever the state.
    Push { user: usize, package: usize, workspace: usize, action: Action },
    /// By the API: a wanted lifecycle, or a deletion for `None`.
    Api { user: usize, package: usize, workspace: usize, wanted: Option<Lifecycle> },
    /// The daemon ends, by a signal, and starts again, perhaps without its cache.
    Restart { killed: bool, without_cache: bool },
}

fn moves() -> impl Strategy<Value = Move> {
    let place = || (0..USERS.len(), 0..PACKAGES.len(), 0..WORKSPACES.len());
    // Saving and the steps towards publication come more often, so that life gets that far.
    let action = prop_oneof![
        3 => Just(Action::Save),
        3 => Just(Action::Propose),
        3 => Just(Action::Approve),
        4 => proptest::sample::select(Action::ALL.to_vec()),
    ];
    let wanted = prop_oneof![
        5 => proptest::sample::select(Lifecycle::ALL.to_vec()).prop_map(Some),
        1 => Just(None),
    ];
    prop_oneof![
        60 => (place(), action).prop_map(|((user, package, workspace), action)| Move::Push { user, package, workspace, action }),
        40 => (place(), wanted).prop_map(|((user, package, workspace), wanted)| Move::Api { user, package, workspace, wanted }),
        4 => any::<(bool, bool)>().prop_map(|(killed, without_cache)| Move::Restart { killed, without_cache }),
    ]
}

/// Makes one move on both sides; both must agree on whether it is allowed.
fn make(real: &mut Real, model: &mut Model, wanted: &Move) -> Result<(), String> {
    let (user, at, action, brought, outcome) = match *wanted {
        Move::Restart { killed, without_cache } => {
            real.restart(killed, without_cache);
            return Ok(());
        }
        Move::Push { user, package, workspace, action } => {
            let (at, p, w) = ((package, workspace), PACKAGES[package], WORKSPACES[workspace]);
            let known = model.revisions.get(&at).cloned();
            // A draft is proposed as it is; without one a new commit is.
            let draft = known.as_ref().filter(|known| known.lifecycle == Lifecycle::Draft);
            let brings = action == Action::Save || (action == Action::Propose && draft.is_none());
            let brought = brings.then(|| (real.commit(p), model.on_branch(package)));
            let commit = brought.as_ref().map(|(commit, _)| commit).or(known.as_ref().map(|known| &known.commit));
            let commit = commit.cloned().unwrap_or_else(|| real.clone.head());
            let number = known.as_ref().map_or(99, |known| known.number);
            let tag = format!("refs/tags/{p}/v{number}");
            if known.as_ref().is_some_and(|known| known.number > 0) {
                real.clone.git(&["fetch", "-q", "--force", "origin", &format!("{tag}:{tag}")]).ok();
            }
            let refspec = match action {
                Action::Save => format!("+{commit}:refs/heads/drafts/{p}/{w}"),
                Action::DropDraft => format!(":refs/heads/drafts/{p}/{w}"),
                Action::Propose => format!("{commit}:refs/heads/proposed/{p}/{w}"),
                Action::DropProposal => format!(":refs/heads/proposed/{p}/{w}"),
                Action::Reject => format!("{commit}:refs/reject/{p}/{w}"),
                Action::Approve => format!("{commit}:refs/approve/{p}/{w}"),
                Action::Publish => return Ok(()),
                Action::ProposeDeletion if number > 0 && number < 99 => {
                    format!("{tag}:refs/heads/deletionProposed/{p}/v{number}")
                }
                Action::ProposeDeletion => format!("{commit}:refs/heads/deletionProposed/{p}/v99"),
                Action::RefuseDeletion => format!(":refs/heads/deletionProposed/{p}/v{number}"),
                Action::Delete => format!(":{tag}"),
            };
            (user, at, action, brought, real.push(user, &refspec))
        }
        Move::Api { user, package, workspace, wanted } => {
            let at = (package, workspace);
            let path = format!("/packages.{}.{}", PACKAGES[package].replace('/', "."), WORKSPACES[workspace]);
            let State::Present(from) = model.state(at) else {
                let got = real.call(user, "GET", &path, None);
                return if got.is_err() { Ok(()) } else { Err(format!("{path} should not be there")) };
            };
            let action = match wanted {
                None => removal(from),
                Some(to) => match action_between(from, to) {
                    Ok(Some(action)) => action,
                    Ok(None) => return Ok(()),
                    Err(_) => {
                        let got = patch(real, user, &path, to);
                        return if got.is_err() { Ok(()) } else { Err(format!("no step leads from {from} to {to}")) };
                    }
                },
            };
            let outcome = match wanted {
                None => real.call(user, "DELETE", &path, None).map(|_| ()),
                Some(to) => patch(real, user, &path, to),
            };
            (user, at, action, None, outcome)
        }
    };
    // To delete a ref that is not there, or to push a marker that is, is git's affair: nothing happens.
    let published = matches!(model.state(at), State::Present(lifecycle) if lifecycle.is_published());
    let marked = model.state(at) == State::Present(Lifecycle::DeletionProposed);
    if (!published && matches!(action, Action::RefuseDeletion | Action::Delete))
        || (marked && action == Action::ProposeDeletion)
        || (model.state(at) != State::Present(Lifecycle::Draft) && action == Action::DropDraft)
        || (model.state(at) != State::Present(Lifecycle::Proposed) && action == Action::DropProposal)
    {
        return Ok(());
    }
    let base = brought.as_ref().map(|(_, base)| *base);
    let allowed = model.allows(at, user, action, base);
    match (allowed, outcome) {
        (Some(to), Ok(())) => model.apply(at, user, action, to, brought),
        (None, Err(_)) => {}
        (Some(to), Err(why)) => return Err(format!("should lead to {to}, but: {why}")),
        (None, Ok(())) => return Err("should have been refused".to_owned()),
    }
    Ok(())
}

fn patch(real: &Real, user: usize, path: &str, to: Lifecycle) -> Result<(), String> {
    real.call(user, "PATCH", path, Some(format!("{{\"spec\":{{\"lifecycle\":\"{to}\"}}}}"))).map(|_| ())
}

#[test]
fn both_doors_do_what_the_model_says() {
    let seed: u64 = std::env::var("STOOP_MODEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20260);
    println!("STOOP_MODEL_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // Every case is a world of its own with a long story; shrinking would play it anew each time, so there is none.
    let config = Config { cases: 2, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let story = proptest::collection::vec(moves(), 120..121);
    let reached = std::cell::RefCell::new(BTreeSet::new());
    let outcome = runner.run(&story, |story| {
        let (mut real, mut model) = (Real::start(), Model::default());
        for (number, wanted) in story.iter().enumerate() {
            let said = make(&mut real, &mut model, wanted);
            prop_assert!(said.is_ok(), "step {number}, {wanted:?}: {}", said.unwrap_err());
            prop_assert_eq!(real.listing(), model.listing(), "after step {}, {:?}", number, wanted);
            reached.borrow_mut().extend(model.revisions.values().map(|revision| revision.lifecycle));
        }
        prop_assert!(!real.world.log().contains("behind the doors"), "{}", real.world.log());
        real.world.fsck("packages").ok();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("STOOP_MODEL_SEED={seed}: {error}");
    }
    assert_eq!(reached.borrow().len(), 4, "the stories reach every state");
}
