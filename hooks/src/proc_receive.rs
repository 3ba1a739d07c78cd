//! `proc-receive`: commands that the daemon carries out itself (approve, reject), answered one by one over git's protocol
//! of that name, version 1.
//!
//! Never here: rewriting a ref name (`option refname`), and letting git carry out a command the daemon did not take.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};

use crate::ask::{self, say};
use crate::commands::Commands;
use crate::offline;
use crate::pkt_line;
use crate::place::{self, Place};
use crate::wire::{Hook, MAX_OPTIONS, Reply, Request, Update};

pub(crate) fn run(place: &Place) -> u8 {
    let mut from = BufReader::new(io::stdin().lock());
    let mut to = BufWriter::new(io::stdout().lock());
    match converse(place, &mut from, &mut to) {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("Stoop cannot follow git's proc-receive protocol: {error}."));
            1
        }
    }
}

fn converse(place: &Place, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let commands = Commands::read(from, to)?;
    let guard = place.guard();
    let option_bytes: usize = commands.options.iter().map(|option| option.len() + 1).sum();
    let hook = Hook::ProcReceive { atomic: commands.atomic };
    let outcome = if option_bytes > MAX_OPTIONS || commands.options.len() > 4096 {
        Err(place::too_many_options())
    } else {
        let request = place.request(hook, &guard, commands.updates.clone());
        request.and_then(|request| {
            let request = Request { options: commands.options, ..request };
            ask::ask(&guard.socket, &request, ask::DECISION).ok_or_else(String::new)
        })
    };
    if let Ok(reply) = &outcome {
        reply.lines.iter().for_each(|line| say(line));
    }
    let verdicts = outcome.as_ref().map_or_else(|_| HashMap::new(), by_name);
    for update in &commands.updates {
        report(to, update, outcome.as_ref().map(|_| &verdicts).map_err(String::as_str))?;
    }
    pkt_line::flush(to)
}

type Verdicts<'a> = HashMap<&'a [u8], Option<&'a str>>;

fn by_name(reply: &Reply) -> Verdicts<'_> {
    reply.verdicts.iter().map(|verdict| (&*verdict.name, verdict.refusal.as_deref())).collect()
}

/// Writes what became of one command. `Err` carries a sentence for all of them, or none when nobody answered.
fn report(to: &mut impl Write, update: &Update, outcome: Result<&Verdicts<'_>, &str>) -> io::Result<()> {
    let refusal = match outcome {
        Ok(verdicts) => match verdicts.get(&*update.name) {
            Some(refusal) => refusal.map(str::to_owned),
            None => Some("Stoop gave no answer for this ref; ask the administrator of this Git server".to_owned()),
        },
        Err("") => offline::sentence(&[&update.name]),
        Err(sentence) => Some(sentence.to_owned()),
    };
    match refusal {
        None => pkt_line::write(to, &[b"ok ", &update.name[..]].concat()),
        Some(refusal) => {
            let refusal: String = refusal.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            pkt_line::write(to, &[b"ng ", &update.name[..], b" ", refusal.trim().as_bytes()].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Verdict;

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const ONE: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn every_command_gets_its_own_line() {
        let update = |name: &str| Update::parse(format!("{ZERO} {ONE} {name}").as_bytes()).expect("sound");
        let verdict = |name: &str, refusal: Option<&str>| Verdict {
            name: name.as_bytes().to_vec(),
            refusal: refusal.map(str::to_owned),
        };
        let reply = Reply {
            accept: false,
            lines: vec![],
            verdicts: vec![verdict("refs/a", None), verdict("refs/b", Some("not\nproposed"))],
        };
        let mut told = Vec::new();
        for name in ["refs/a", "refs/b"] {
            report(&mut told, &update(name), Ok(&by_name(&reply))).expect("memory");
        }
        assert_eq!(String::from_utf8(told).expect("text"), "000dok refs/a001ang refs/b not proposed");
        for (outcome, want) in [(Ok(&by_name(&reply)), "gave no answer"), (Err(""), "Stoop is not running, so refs/c ")]
        {
            let mut told = Vec::new();
            report(&mut told, &update("refs/c"), outcome).expect("memory");
            let told = String::from_utf8(told).expect("text");
            assert!(told.contains("ng refs/c ") && told.contains(want), "{told}");
        }
    }
}
