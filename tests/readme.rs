//! Runs every command block of README.md, in order, in one sandbox, and compares what is printed with what the page says.
//!
//! `UPDATE_README=1 cargo test --test readme` writes the real answers into the page. Object ids, times, ages, tokens and ports
//! differ from run to run and are not compared. Never here: commands that the page does not show.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The ports the page uses, which the sandbox replaces by free ones.
const PORTS: [&str; 2] = ["127.0.0.1:8443", "127.0.0.1:8080"];
/// What the page calls the directory that the reader types in.
const HOME: &str = "/home/you";
const PATIENCE: Duration = Duration::from_secs(120);

/// One command of the page.
#[derive(Debug, Clone)]
struct Typed {
    /// The line of the page, counted from 0, after the command.
    line: usize,
    /// What is typed, without prompts.
    text: String,
    /// What the page says it answers.
    answer: Vec<String>,
}

/// One fenced block.
#[derive(Debug)]
struct Block {
    /// What the comment before it says: how it is to be checked; nothing for a block that is simply run.
    mark: Option<String>,
    typed: Vec<Typed>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("README.md")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut inside, mut before) = (false, "");
    for (number, line) in page.lines().enumerate() {
        if line == "```console" {
            let mark = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
            blocks.push(Block { mark: mark.map(str::to_owned), typed: Vec::new() });
            inside = true;
        } else if inside && line == "```" {
            inside = false;
        } else if inside {
            let typed = &mut blocks.last_mut().expect("a block is open").typed;
            match (line.strip_prefix("$ "), line.strip_prefix("> "), typed.last_mut()) {
                (Some(text), _, _) => typed.push(Typed { line: number + 1, text: text.to_owned(), answer: Vec::new() }),
                (_, Some(more), Some(last)) if last.answer.is_empty() => {
                    last.text = format!("{}\n{more}", last.text);
                    last.line = number + 1;
                }
                (_, _, Some(last)) => last.answer.push(line.to_owned()),
                _ => panic!("README.md:{}: a console block begins with `$ `", number + 1),
            }
        }
        before = line;
    }
    assert!(!inside, "README.md: a block is not closed");
    blocks
}

/// What of a line must be the same in every run.
fn lasting(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&if is_age(word) { "AGE".to_owned() } else { lasting_word(word) });
    }
    out
}

fn is_age(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let unit = &word[digits..];
    digits > 0 && ["s", "m", "h"].iter().any(|known| unit.starts_with(known)) && word.len() <= 6 && !word.contains('-')
}

fn lasting_word(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let run = |extra: &str| {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !extra.contains(c))
                .unwrap_or(rest.len())
                .max(first.len_utf8())
        };
        let (length, put) = if rest.starts_with("SHA256:") {
            (rest.len(), "KEY")
        } else if rest.starts_with("stoop_") && run("_-") > 40 {
            (run("_-"), "TOKEN")
        } else if let Some(length) = date(rest) {
            (length, "DATE")
        } else {
            let part = &rest[..run("")];
            let hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let number = part.bytes().all(|byte| byte.is_ascii_digit());
            if hex && [7, 10, 40, 64].contains(&part.len()) {
                (part.len(), "ID")
            } else if number && (out.ends_with("127.0.0.1:") || out.ends_with("\"pid\":")) {
                (part.len(), "N")
            } else {
                (part.len(), part)
            }
        };
        out.push_str(put);
        rest = &rest[length..];
    }
    out
}

/// The length of the date that a text begins with, `2026-11-24` or `2026-11-24T14:50:17Z`.
fn date(text: &str) -> Option<usize> {
    let like = |form: &str| {
        let alike = |(c, wanted): (u8, u8)| if wanted == b'0' { c.is_ascii_digit() } else { c == wanted };
        (text.len() >= form.len() && text.bytes().zip(form.bytes()).all(alike)).then_some(form.len())
    };
    like("0000-00-00T00:00:00Z").or_else(|| like("0000-00-00"))
}

/// A directory, a home and a shell whose only settings are those a new user has.
struct Sandbox {
    directory: tempfile::TempDir,
    ports: [String; 2],
}

impl Sandbox {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("stoop-readme-").tempdir().expect("a temporary directory");
        let path = directory.path();
        for name in ["bin", "home", "here"] {
            std::fs::create_dir(path.join(name)).expect("made");
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_stoop"), path.join("bin/stoop")).expect("linked");
        let settings = "[user]\n\tname = you\n\temail = you@example.com\n[init]\n\tdefaultBranch = main\n";
        std::fs::write(path.join("home/.gitconfig"), settings).expect("written");
        Self { directory, ports: free_ports() }
    }

    fn here(&self) -> PathBuf {
        self.directory.path().join("here")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").expect("a PATH");
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", self.directory.path().join("bin").display()))
            .env("HOME", self.directory.path().join("home"))
            .env("TMPDIR", self.directory.path())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_PAGER", "cat")
            .current_dir(self.here())
            .stdin(Stdio::null());
        command
    }

    /// Types all commands into one shell and returns what each of them printed.
    fn run(&self, typed: &[Typed]) -> Vec<Vec<String>> {
        let mut script = String::from("exec 2>&1\n");
        for (number, Typed { text, .. }) in typed.iter().enumerate() {
            let text =
                PORTS.iter().zip(&self.ports).fold(text.clone(), |text, (shown, free)| text.replace(shown, free));
            script += &format!("printf '\\n@@{number}@@\\n'\n{text}\n");
        }
        script += "printf '\\n@@end@@\\n'\n";
        let file = self.directory.path().join("script");
        std::fs::write(&file, script).expect("written");
        let output = self.directory.path().join("output");
        let mut shell = self.command("bash");
        shell.arg(&file).stdout(std::fs::File::create(&output).expect("made"));
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut shell = shell.spawn().expect("bash starts");
        let deadline = Instant::now() + PATIENCE;
        while shell.try_wait().expect("waited").is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Whatever is left of it: all when it hangs, the daemon when the page does not stop it.
        let group = format!("-{}", shell.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = shell.wait();
        let printed = String::from_utf8_lossy(&std::fs::read(&output).expect("read")).into_owned();
        assert!(printed.contains("\n@@end@@\n"), "the commands of README.md did not come to their end:\n{printed}");
        let mut answers = Vec::new();
        let mut rest = printed.as_str();
        for number in 0..typed.len() {
            let next = if number + 1 == typed.len() { "end".to_owned() } else { (number + 1).to_string() };
            let start = format!("\n@@{number}@@\n");
            let begin = rest.find(&start).expect("in order") + start.len();
            let end = rest[begin..].find(&format!("\n@@{next}@@\n")).expect("in order") + begin;
            answers.push(self.as_shown(&rest[begin..end]));
            rest = &rest[end..];
        }
        answers
    }

    /// Real text as the page shows it: its ports and its directory.
    fn as_shown(&self, text: &str) -> Vec<String> {
        let here = std::fs::canonicalize(self.here()).expect("there");
        let text = text.replace(&here.display().to_string(), HOME);
        let text = PORTS.iter().zip(&self.ports).fold(text, |text, (shown, free)| text.replace(free.as_str(), shown));
        text.lines().map(|line| without_tokens(line.trim_end())).collect()
    }
}

/// The line with the random part of every token made unreadable: nobody should have to wonder whether one on the page works.
fn without_tokens(line: &str) -> String {
    let mut out = String::new();
    let mut parts = line.split("stoop_");
    out += parts.next().unwrap_or_default();
    for part in parts {
        let length = part.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).unwrap_or(part.len());
        out += "stoop_";
        out += &if length == 43 { "x".repeat(length) } else { part[..length].to_owned() };
        out += &part[length..];
    }
    out
}

/// Two ports below those that the system hands out by itself, so that nobody takes them in the meantime.
fn free_ports() -> [String; 2] {
    let start = 20_000 + u16::try_from(std::process::id() % 10_000).expect("small");
    let mut free = (start..32_000).chain(20_000..start).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    [0, 1].map(|_| format!("127.0.0.1:{}", free.next().expect("a free port")))
}

/// The sections of the tour by their headings.
fn sections(lines: &[String]) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        if line.starts_with("== ") {
            sections.push((line.clone(), Vec::new()));
        } else if let Some((_, section)) = sections.last_mut().filter(|_| line != "...") {
            section.push(line.clone());
        }
    }
    for (_, section) in &mut sections {
        while section.last().is_some_and(String::is_empty) {
            section.pop();
        }
    }
    sections
}

/// The page's excerpt of the tour with what the tour really printed.
fn excerpt(shown: &[String], sandbox: &Sandbox) -> Vec<String> {
    let output = sandbox.command("stoop").args(["demo", "--exit"]).output().expect("the demo runs");
    let real = sandbox.as_shown(&String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}\n{}", real.join("\n"), String::from_utf8_lossy(&output.stderr));
    let real = sections(&real);
    let mut lines = Vec::new();
    for (heading, _) in sections(shown) {
        let found = real.iter().find(|(other, _)| *other == heading);
        let (_, section) =
            found.unwrap_or_else(|| panic!("the tour has no section {heading:?}; is kubectl installed?"));
        lines.extend(["...".to_owned(), heading]);
        lines.extend(section.iter().cloned());
    }
    lines.push("...".to_owned());
    lines
}

fn difference(typed: &Typed, answer: &[String]) -> Option<String> {
    let lasting = |lines: &[String]| lines.iter().map(|line| lasting(line)).collect::<Vec<_>>();
    (lasting(&typed.answer) != lasting(answer)).then(|| {
        let [shown, real] = [&typed.answer, answer].map(|lines| lines.join("\n    "));
        format!("README.md:{}: $ {}\n  the page says\n    {shown}\n  it answered\n    {real}", typed.line, typed.text)
    })
}

#[test]
fn every_command_of_the_page_answers_what_the_page_says() {
    let text = page();
    let sandbox = Sandbox::new();
    let mut plain = Vec::new();
    let mut answered: Vec<(Typed, Vec<String>)> = Vec::new();
    for block in blocks(&text) {
        match block.mark.as_deref() {
            None => plain.extend(block.typed),
            Some("demo") => {
                let [typed] = &block.typed[..] else { panic!("the demo is one command") };
                assert_eq!(typed.text, "cargo run --release -- demo");
                answered.push((typed.clone(), excerpt(&typed.answer, &sandbox)));
            }
            Some("tests") => {
                let [typed] = &block.typed[..] else { panic!("the tests are one command") };
                let mode = std::fs::metadata(root().join(&typed.text)).expect("it is there").permissions();
                assert!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o111 != 0, "{} can be run", typed.text);
            }
            Some("install") => assert_eq!(block.typed[0].text, "cargo install --locked --path ."),
            Some(other) => panic!("README.md: nobody knows how to check a block marked {other:?}"),
        }
    }
    assert!(plain.len() > 20, "the page shows commands");
    let answers = sandbox.run(&plain);
    answered.extend(plain.into_iter().zip(answers));
    if std::env::var_os("UPDATE_README").is_some() {
        return update(&text, &answered);
    }
    let wrong: Vec<String> = answered.iter().filter_map(|(typed, answer)| difference(typed, answer)).collect();
    assert!(
        wrong.is_empty(),
        "\n{}\n\nIf this is how it is meant: UPDATE_README=1 cargo test --test readme\n",
        wrong.join("\n\n")
    );
}

fn update(text: &str, answered: &[(Typed, Vec<String>)]) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut from_the_end: Vec<_> = answered.iter().collect();
    from_the_end.sort_by_key(|(typed, _)| std::cmp::Reverse(typed.line));
    // All of them once one differs, so that the object ids on the page belong together.
    if !answered.iter().any(|(typed, answer)| difference(typed, answer).is_some()) {
        return;
    }
    for (typed, answer) in from_the_end {
        lines.splice(typed.line..typed.line + typed.answer.len(), answer.iter().cloned());
    }
    std::fs::write(root().join("README.md"), lines.join("\n") + "\n").expect("written");
}

#[test]
fn what_differs_from_run_to_run_is_not_compared_and_all_else_is() {
    let same = [
        ("a   b", "a b"),
        ("remote: saved at 0123456789", "remote: saved at abcdefabcd"),
        ("git 127.0.0.1:1/x", "git 127.0.0.1:65000/x"),
        ("x True main 1s", "x True main 2m3s"),
        (
            "http://ann:stoop_SDg5B-D8qsHMcocfGKnL2ne_bLJpeHlxfYnyKDGd1Xo@h",
            "http://ann:stoop_lN-Ol2kjo28RH2MKZ6rezxYYA-HoDAeh7pIuBvcG83Q@h",
        ),
        ("{\"pid\":1}", "{\"pid\":77}"),
        ("refs/stoop/dropped/2026-11-24", "refs/stoop/dropped/2027-01-01"),
        ("dropped by ann 2026-11-24T14:50:17Z", "dropped by ann 2027-01-01T00:00:00Z"),
    ];
    for (one, other) in same {
        assert_eq!(lasting(one), lasting(other));
    }
    let different =
        [("a b", "a c"), ("revision 1", "revision 2"), ("published as v1", "published as v2"), ("1 x", "2 x")];
    for (one, other) in different {
        assert_ne!(lasting(one), lasting(other));
    }
}
