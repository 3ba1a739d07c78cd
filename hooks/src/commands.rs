//! What git tells the hook `proc-receive`, version 1 of its protocol: what the client can do, the commands, the push options.
//!
//! Never here: what becomes of the commands (see `proc_receive`).

use std::io::{self, Read, Write};

use crate::pkt_line::{self, Packet};
use crate::wire::{MAX_FRAME, Update};

/// The commands of one push that git leaves to the hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Whether the client asked for all or nothing.
    pub atomic: bool,
    /// The ref updates, in order.
    pub updates: Vec<Update>,
    /// The push options, in order.
    pub options: Vec<Vec<u8>>,
}

impl Commands {
    /// Reads them all, and answers git's offer of features in between.
    ///
    /// # Errors
    /// The stream breaks off, speaks another version, or holds more than one request to the daemon can.
    pub fn read(from: &mut impl Read, to: &mut impl Write) -> io::Result<Self> {
        let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let (mut atomic, mut push_options, mut version) = (false, false, false);
        while let Packet::Line(line) = pkt_line::read(from)? {
            let mut parts = line.splitn(2, |byte| *byte == 0);
            version |= parts.next() == Some(b"version=1");
            for feature in parts.next().unwrap_or_default().split(|byte| *byte == b' ') {
                atomic |= feature == b"atomic";
                push_options |= feature == b"push-options";
            }
        }
        if !version {
            return Err(malformed("git offers no version 1 of it"));
        }
        let features = [(push_options, "push-options"), (atomic, "atomic")];
        let features: Vec<_> = features.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
        let separator = if features.is_empty() { "" } else { "\0" };
        pkt_line::write(to, format!("version=1{separator}{}\n", features.join(" ")).as_bytes())?;
        pkt_line::flush(to)?;

        let (mut updates, mut options, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut within = |line: &[u8]| {
            bytes += line.len() + 16;
            if bytes > MAX_FRAME - (1 << 20) { Err(malformed("too many commands at once")) } else { Ok(()) }
        };
        while let Packet::Line(line) = pkt_line::read(from)? {
            within(&line)?;
            updates.push(Update::parse(&line).ok_or_else(|| malformed("a command is not \"<old> <new> <ref>\""))?);
        }
        if push_options {
            while let Packet::Line(line) = pkt_line::read(from)? {
                within(&line)?;
                options.push(line);
            }
        }
        Ok(Self { atomic, updates, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const ONE: &str = "1111111111111111111111111111111111111111";

    fn packets(lines: &[Option<&str>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match line {
                Some(line) => pkt_line::write(&mut bytes, line.as_bytes()).expect("memory"),
                None => pkt_line::flush(&mut bytes).expect("memory"),
            }
        }
        bytes
    }

    #[test]
    fn commands_and_options_are_read_as_git_sends_them() {
        let command = format!("{ZERO} {ONE} refs/approve/p/w");
        let sent = packets(&[
            Some("version=1\0atomic push-options other\n"),
            None,
            Some(&command),
            None,
            Some("reason=two words"),
            None,
        ]);
        let mut answer = Vec::new();
        let commands = Commands::read(&mut &sent[..], &mut answer).expect("sound");
        assert!(commands.atomic);
        assert_eq!(commands.updates, [Update::parse(command.as_bytes()).expect("sound")]);
        assert_eq!(commands.options, [b"reason=two words".to_vec()]);
        assert_eq!(answer, packets(&[Some("version=1\0push-options atomic\n"), None]));

        let sent = packets(&[Some("version=1\n"), None, Some(&command), None]);
        let mut answer = Vec::new();
        let commands = Commands::read(&mut &sent[..], &mut answer).expect("sound");
        assert!(!commands.atomic && commands.options.is_empty());
        assert_eq!(answer, packets(&[Some("version=1\n"), None]));
    }

    #[test]
    fn broken_conversations_are_errors() {
        for sent in [
            vec![],
            packets(&[None]),
            packets(&[Some("version=2\n"), None, None]),
            packets(&[Some("version=1\n"), None, Some("a b c"), None]),
            packets(&[Some("version=1\n"), None]),
        ] {
            assert!(Commands::read(&mut &sent[..], &mut Vec::new()).is_err());
        }
    }
}
