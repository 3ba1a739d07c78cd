//! What a policy file may say, what each mistake is answered with, and which file comes into force.

use std::path::Path;

use crate::config::{Config, SharedConfig};
use crate::domain::policy::{Policy, Role};
use crate::domain::refusal::Code;

fn read(text: &str) -> Result<Policy, String> {
    Policy::read(text, Path::new("policy.yaml")).map_err(|error| error.to_string())
}

#[test]
fn a_whole_file_is_read() {
    let policy = read(
        "serial: 7
groups:
  leads: [ann, bob]
rules:
- fourEyes: true
- name: production
  repositories: [prod-*, default/**]
  packages: [net/**]
  roles: {author: [art], approver: ['group:leads', cyd], admin: [eve]}
  reservedFor: {approver: ['group:leads']}
  approvals: 2
  readinessGates: [Tested]
  freeze:
  - {name: end of year, from: 2026-12-20 18:00, until: 2027-01-02 08:00, timeZone: Europe/Berlin}
  - {from: Fri 18:00, until: Mon 06:00, timeZone: America/New_York}
  unboundApprovals: refuse
  signed: [approve, delete]
  reportOnly: [frozen, four-eyes]
",
    )
    .expect("good");
    let [first, second] = policy.blocks.as_slice() else { panic!("two rules") };
    assert_eq!((policy.serial, first.name.as_str(), second.name.as_str()), (7, "number 1", "production"));
    assert!(first.four_eyes && first.packages.is_empty() && first.approvals.is_none());
    assert_eq!(second.roles[&Role::Approver].shown, "group leads, cyd");
    assert_eq!(second.roles[&Role::Approver].names.len(), 3);
    assert_eq!((second.approvals.map(std::num::NonZeroU32::get), second.freezes.len()), (Some(2), 2));
    assert_eq!((first.signed.len(), second.signed.len()), (0, 2));
    assert!(second.refuses_unbound && !second.enforces(Code::Frozen) && second.enforces(Code::Reserved));
    for small in ["serial: 1", "serial: 1\nrules:\ngroups:\n", "serial: 1\nrules: []\n"] {
        assert!(read(small).is_ok_and(|policy| policy.blocks.is_empty()), "{small}");
    }
}

#[test]
fn every_mistake_names_its_line_and_what_to_write() {
    let rule = |text: &str| format!("serial: 1\nrules:\n- name: a\n  {text}\n");
    let grid: &[(String, &str)] = &[
        (String::new(), "policy.yaml: is empty; a policy has at least a serial"),
        ("rules: []\n".into(), "policy.yaml:1:1: missing key `serial`"),
        ("serial: 0\n".into(), "policy.yaml:1:9: serial is 0; write a number from 1 up"),
        ("serial: -3\n".into(), "policy.yaml:1:9: serial is -3"),
        ("serial: one\n".into(), "policy.yaml:1:9: serial: invalid type: string \"one\", expected a whole number"),
        ("serial: 1\nserial: 2\n".into(), "policy.yaml:2:1: the key \"serial\" is there twice"),
        ("serial: 1\nrule: []\n".into(), "policy.yaml:2:1: unknown key `rule`, expected one of `serial`"),
        ("serial: 1\ngroups: {a: []}\n".into(), "policy.yaml:2:13: group \"a\" has no member"),
        ("serial: 1\ngroups: {a: ['group:b']}\n".into(), "policy.yaml:2:14: \"group:b\": a group holds users"),
        ("serial: 1\ngroups: {a: ['x<y']}\n".into(), "policy.yaml:2:14: user name \"x<y\" is invalid"),
        ("serial: 1\ngroups: {'a:b': [x]}\n".into(), "policy.yaml:2:17: group \"a:b\": a group has a short plain name"),
        ("serial: 1\nrules:\n- {name: a}\n- {name: a}\n".into(), "policy.yaml:4:10: rule \"a\" is there twice"),
        (rule("fourEye: true"), "policy.yaml:4:3: rules[0]: unknown key `fourEye`"),
        (rule("fourEyes: yes"), "policy.yaml:4:13: rules[0].fourEyes: invalid type: string \"yes\""),
        (rule("approvals: 0"), "policy.yaml:4:14: approvals is 0; write a number from 1 to 100"),
        (rule("approvals: 101"), "policy.yaml:4:14: approvals is 101"),
        (rule("packages: []"), "policy.yaml:4:13: this covers nothing; leave the key out"),
        (rule("packages: [a**]"), "policy.yaml:4:14: pattern \"a**\": ** stands alone"),
        (rule("repositories: ['[a]']"), "policy.yaml:4:18: pattern \"[a]\": only * and ** are special"),
        (rule("roles: {reader: [x]}"), "policy.yaml:4:19: role \"reader\" is none of author, approver, admin"),
        (rule("reservedFor: {admin: [x]}"), "policy.yaml:4:24: role \"admin\" is none of author, approver"),
        (rule("roles: {author: []}"), "policy.yaml:4:19: this names nobody"),
        (rule("roles: {author: ['group:x']}"), "policy.yaml:4:20: there is no group \"x\" under groups"),
        (rule("readinessGates: ['']"), "policy.yaml:4:20: \"\" is no type of a condition"),
        (rule("unboundApprovals: no"), "policy.yaml:4:21: rules[0].unboundApprovals: unknown variant `no`"),
        (rule("signed: [merge]"), "policy.yaml:4:12: \"merge\" is nothing that is done to a package; write save, "),
        (rule("reportOnly: [stale]"), "policy.yaml:4:16: \"stale\" is no code of a rule; the codes are reserved, "),
        (
            rule("freeze: [{from: 2026-01-01, until: 2026-01-02, timeZone: Europe/Bonn}]"),
            "policy.yaml:4:60: timeZone \"Europe/Bonn\" is not known; write an IANA name",
        ),
        (
            rule("freeze: [{from: Fri 18:00, until: tomorrow, timeZone: UTC}]"),
            "policy.yaml:4:37: until \"tomorrow\" is no time: 2026-12-20 18:00 for once",
        ),
        (
            rule("freeze: [{from: Fri 18:00, until: Mon 06:00}]"),
            "policy.yaml:4:12: rules[0].freeze[0]: missing key `timeZone`",
        ),
    ];
    let mut complaints = String::new();
    for (text, want) in grid {
        let got = read(text).expect_err(text);
        if !got.starts_with(want) {
            complaints.push_str(&format!("{text}\n got: {got}\nwant: {want}\n"));
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn groups_that_multiply_are_refused() {
    let members: Vec<String> = (0..20_000).map(|number| format!("u{number}")).collect();
    let rules: String = (0..12).map(|at| format!("- {{name: r{at}, roles: {{author: ['group:all']}}}}\n")).collect();
    let text = format!("serial: 1\ngroups: {{all: [{}]}}\nrules:\n{rules}", members.join(", "));
    assert!(read(&text).expect_err("too many").contains("name more than 200000 users together"));
}

#[test]
fn the_highest_serial_stays_in_the_state_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let (config, policy) = (directory.path().join("stoop.yaml"), directory.path().join("policy.yaml"));
    let write =
        |serial: u32, rest: &str| std::fs::write(&policy, format!("serial: {serial}\n{rest}")).expect("written");
    let load = |state: &Path| SharedConfig::load(Some(config.clone()), Some(state)).map_err(|error| error.to_string());
    let state = directory.path();
    std::fs::write(&config, "rescanSeconds: 7\n").expect("written");
    assert_eq!(load(state).expect("no policy").current().policy.serial, 0);
    std::fs::write(&config, "policy: policy.yaml\n").expect("written");
    assert!(load(state).expect_err("missing").contains("policy.yaml: cannot be read"));
    write(3, "rules: [{fourEyes: true}]\n");
    let shared = load(state).expect("good");
    assert!(shared.current().policy.blocks[0].four_eyes);
    write(2, "");
    let refused = shared.reload().expect_err("older").to_string();
    assert!(refused.ends_with("policy.yaml: serial is 2, but a policy with serial 3 was in force; an older policy does not come back: write serial: 4"), "{refused}");
    assert!(shared.current().policy.blocks[0].four_eyes, "the old one stays in force");
    write(3, "");
    assert!(shared.reload().expect_err("another").to_string().contains("another policy with serial 3"));
    std::fs::write(&config, "").expect("written");
    assert!(load(state).expect_err("none").contains("stoop.yaml: no policy is named, but one with serial 3"));
    std::fs::write(&config, "policy: policy.yaml\n").expect("written");
    write(4, "");
    shared.reload().expect("newer");
    assert!(shared.current().policy.blocks.is_empty());
    let kept = state.join("policy-serial.json");
    std::fs::write(&kept, "soup").expect("written");
    assert!(load(state).expect_err("damaged").contains("which cannot be read"));
    std::fs::remove_file(&kept).expect("removed");
    std::fs::create_dir(kept.with_extension("new")).expect("made");
    assert!(
        load(state).expect_err("not kept").contains("serial cannot be kept"),
        "what cannot be kept is not in force"
    );
}

#[test]
fn the_users_of_the_configuration_and_the_administrator_are_known_to_the_policy() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("stoop.yaml");
    std::fs::write(&config, "users:\n- {name: ann, roles: [author]}\n").expect("written");
    let policy = Config::load(Some(&config)).expect("good").policy;
    let known: Vec<String> = policy.users.keys().map(ToString::to_string).collect();
    assert_eq!(known, ["ann", "stoop-admin"]);
}
