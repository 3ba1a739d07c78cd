//! Which story tells which row of the Git door: every kind of ref that can be pushed, and every code that a refusal can have.
//!
//! The tables are checked: a story that is renamed or taken out, and a code without a story, are found.
//! Never here: stories.

use std::path::PathBuf;

/// What is pushed and what it means; then the stories that push it, allowed and refused.
const ROWS: [(&str, &[&str]); 25] = [
    (
        "create or update drafts/<P>/<W>: save a draft",
        &[
            "push_drafts::drafts_are_saved_forced_and_dropped_by_authors_only",
            "push_rules::a_draft_changes_only_its_package_in_its_tree_and_in_every_commit",
            "push_rules::a_package_needs_a_sound_kptfile_and_sound_content",
        ],
    ),
    ("delete drafts/<P>/<W>: drop the draft", &["push_drafts::drafts_are_saved_forced_and_dropped_by_authors_only"]),
    (
        "create proposed/<P>/<W>: propose",
        &[
            "push_drafts::a_proposal_needs_no_draft_but_holds_the_draft_there_is_and_is_locked",
            "push_rules::a_stale_base_is_refused_and_the_printed_commands_help",
            "push_rules::a_pipeline_is_told_of_and_gates_are_held",
            "push_drafts::a_draft_may_be_deleted_in_the_push_that_proposes_it",
        ],
    ),
    (
        "update proposed/<P>/<W>: refused",
        &["push_drafts::a_proposal_needs_no_draft_but_holds_the_draft_there_is_and_is_locked"],
    ),
    (
        "drafts/<P>/<W> at the proposal's commit, or refs/reject/<P>/<W>: reject, or withdraw",
        &["push_drafts::a_proposal_is_withdrawn_by_its_author_and_rejected_by_an_approver"],
    ),
    ("delete proposed/<P>/<W>: drop the proposal", &["push_drafts::a_proposal_is_dropped_by_author_or_approver"]),
    (
        "refs/approve/<P>/<W>: approve exactly this commit",
        &[
            "push_approvals::an_approval_is_bound_to_the_object_id_and_happens_once",
            "push_approvals::many_approvals_in_one_push_happen_together_or_not_at_all",
            "push_approvals::an_atomic_push_does_not_mix_deciding_with_other_refs",
        ],
    ),
    (
        "refs/approve and refs/reject where another program owns proc-receive",
        &[
            "push_approvals::where_another_program_owns_proc_receive_deciding_works_the_same",
            "recovery::refs_that_decide_do_not_stay_and_do_not_count_without_a_decision",
            "bad_input::housekeeping::leftovers_under_the_deciding_refs_of_any_kind_are_removed_and_never_obeyed",
        ],
    ),
    (
        "the registered branch moves and touches no package, or is deleted or moved back",
        &["push_borders::the_registered_branch_takes_what_is_no_package_and_nothing_else"],
    ),
    (
        "the registered branch moves to what is proposed: approve that",
        &[
            "push_merges::a_fast_forward_onto_a_proposal_approves_it",
            "push_merges::a_merge_commit_approves_what_it_merges",
            "push_merges::a_squash_approves_the_proposal_whose_tree_it_has",
            "push_merges::several_proposals_are_approved_by_one_merge_or_none_is",
            "push_merges::a_merge_is_an_approval_with_all_its_rules",
            "policy::branch_moves::who_had_a_hand_in_it_may_not_merge_it",
            "gitea::merging_a_proposal_s_pull_request_approves_it_in_every_style",
        ],
    ),
    (
        "the registered branch changes packages otherwise: by the setting trunk",
        &[
            "push_trunk::published_straight_from_the_branch",
            "push_trunk::publishing_from_the_branch_keeps_every_rule",
            "push_trunk::let_pass_and_published_by_nobody",
            "push_trunk::a_package_is_removed_from_the_branch_when_that_is_proposed",
            "policy::branch_moves::what_is_published_from_the_branch_is_under_every_rule",
        ],
    ),
    (
        "many refs in one push",
        &[
            "push_many::a_hundred_approvals_are_published_in_one_transaction_or_none_is",
            "push_many::the_same_where_another_program_owns_proc_receive",
        ],
    ),
    (
        "the registered branch is created; a repository without a package is an ordinary one",
        &[
            "repository_kinds::an_empty_repository_begins_with_its_branch",
            "repository_kinds::a_repository_without_a_package_is_an_ordinary_one",
        ],
    ),
    ("branches and tags with the option import", &["push_borders::an_import_is_an_administrator_s"]),
    (
        "create or delete deletionProposed/<P>/v<N>, delete refs/tags/<P>/v<N>",
        &[
            "push_published::a_deletion_is_proposed_refused_withdrawn_and_approved",
            "push_published::the_tag_and_its_marker_may_be_deleted_in_one_push",
            "push_published::a_revision_that_another_was_made_from_stays",
        ],
    ),
    (
        "any other tag that discovery would list",
        &[
            "push_published::tags_that_would_publish_are_refused_and_published_ones_do_not_move",
            "push_published::a_legacy_tag_is_deleted_through_its_own_last_segment",
            "bad_input::names::no_tag_at_a_package_s_path_is_an_author_s",
        ],
    ),
    (
        "refs/stoop/…, malformed names, names outside of every directory",
        &[
            "push_borders::refs_of_stoop_and_malformed_names_are_refused",
            "bad_input::names::names_that_git_s_own_client_would_not_send",
        ],
    ),
    (
        "every other ref",
        &[
            "push_borders::what_is_not_managed_passes_untouched_even_when_the_daemon_is_down",
            "tags::foreign_tags_come_move_and_go_annotated_or_not",
            "tags::a_tag_named_like_a_branch_leads_nobody_astray",
        ],
    ),
    (
        "an annotated tag that is a package revision",
        &["tags::an_annotated_tag_of_a_published_commit_is_shown_and_guarded_as_any_other"],
    ),
    (
        "pushes that mix refs of every kind",
        &[
            "push_approvals::deciding_and_saving_the_same_package_go_together_in_one_push",
            "bad_input::many_refs::five_thousand_refs_in_one_push",
        ],
    ),
    (
        "nested package paths, and a Repository on a directory",
        &[
            "repository_kinds::names_in_the_api_leave_out_the_directory_and_what_lies_outside_is_left_alone",
            "push_borders::a_directory_draws_the_line",
            "push_rules::packages_are_not_nested",
        ],
    ),
    (
        "several Repositories over one bare repository",
        &[
            "shared_repository::two_repositories_live_in_one_bare_repository_by_both_doors",
            "shared_repository::a_rule_for_one_of_them_is_no_rule_for_the_other",
            "shared_repository::repositories_come_to_a_bare_repository_and_go_while_the_daemon_runs",
        ],
    ),
    ("SHA-256", &["repository_kinds::a_sha_256_repository_goes_the_whole_way_by_both_doors"]),
    (
        "shallow and partial clones",
        &[
            "client_kinds::shallow_clones_draft_propose_and_approve",
            "client_kinds::partial_clones_draft_propose_and_approve",
            "bad_input::history::a_shallow_clone_s_push_is_judged_on_its_whole_history",
        ],
    ),
    (
        "git gc, repack, pack-refs, prune and worktree on the server while pushes run",
        &[
            "bad_input::housekeeping::pushes_go_on_while_git_packs_and_collects_and_others_fetch",
            "bad_input::housekeeping::pushes_go_on_beside_worktrees_and_pruning",
            "bad_input::housekeeping::a_worktree_of_the_repository_commits_where_it_may_and_nowhere_else",
        ],
    ),
];

/// Codes that no story can bring about, and why.
const WITHOUT_A_STORY: [(&str, &str); 2] = [
    ("not-rendered", "no pipeline runs yet"),
    ("failed", "Stoop or Git failed: see `bad_input::machine` and `faults`, which know the texts"),
];

fn suite() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite")
}

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_story_that_the_table_names_is_there() {
    for (row, stories) in ROWS {
        for story in stories {
            let (module, name) = story.rsplit_once("::").expect("module and name");
            let text = read(&suite().join(format!("{}.rs", module.replace("::", "/"))));
            assert!(text.contains(&format!("fn {name}()")), "{row}: there is no story {story}");
        }
    }
}

fn source() -> String {
    read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/domain/refusal.rs"))
}

/// Every code that a refusal can have.
fn codes(source: &str) -> Vec<&str> {
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \""));
    let codes: Vec<&str> = lines.filter_map(|(_, rest)| rest.strip_suffix("\",")).collect();
    assert!(codes.len() > 20 && codes.contains(&"stale"), "the codes are found: {codes:?}");
    codes
}

fn is_exempt(code: &str) -> bool {
    WITHOUT_A_STORY.iter().any(|(without, _)| *without == code)
}

#[test]
fn every_code_of_a_refusal_has_its_golden_sentence() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let goldens: String =
        std::fs::read_dir(directory).expect("the goldens").flatten().map(|entry| read(&entry.path())).collect();
    let source = source();
    let codes = codes(&source).into_iter();
    let missing: Vec<&str> = codes.filter(|code| !goldens.contains(&format!("[{code}]")) && !is_exempt(code)).collect();
    assert!(missing.is_empty(), "codes without a golden sentence (see `goldens_of_refusals`): {missing:?}");
}

#[test]
fn every_code_of_a_refusal_has_its_story() {
    let mut stories = String::new();
    let mut open = vec![suite()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("the suite").flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path if path.ends_with("rows.rs") => {}
                path => stories.push_str(&read(&path)),
            }
        }
    }
    let source = source();
    let codes = codes(&source);
    let has_story = |code: &str| {
        let written = [format!("\"{code}\""), format!("[{code}]"), format!("\\\"{code}\\\"")];
        written.iter().any(|text| stories.contains(text))
    };
    let missing: Vec<&&str> = codes.iter().filter(|code| !has_story(code) && !is_exempt(code)).collect();
    assert!(missing.is_empty(), "codes that no story asks for: {missing:?}");
}
