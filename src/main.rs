//! The `stoop` program: the command line, parsed and handed on.
//!
//! Never here: what the commands do (see `cli`, `daemon`).

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use stoop::audit;
use stoop::cli::{self, ObjectFormat, policy};
use stoop::config::{Config, RepositoryPath};
use stoop::daemon::errand::{self, Errand, Place, Request};
use stoop::daemon::{self, DEPTH, Options, default_state};
use stoop::demo;
use stoop::doctor::{self, Level};
use stoop::domain::ledger::Via;
use stoop::domain::names::{PackagePath, UserName, Workspace};
use stoop::domain::oid::ObjectId;
use stoop::identity::kubeconfig::ADMIN;
use stoop::telemetry::{LogFormat, init_logging};
use stoop::verify::{self, AllowedSigners};

/// The package lifecycle of Kubernetes configuration, enforced at the door of the Git server.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the package lifecycle on a daemon of its own, in a temporary directory
    Demo {
        /// End after the tour
        #[arg(long)]
        exit: bool,
    },
    /// Guard every bare repository below a directory
    Serve(Serve),
    /// Make or take over a repository
    #[command(subcommand)]
    Repo(RepoCommand),
    /// Install or remove the hooks of a repository
    #[command(subcommand)]
    Hooks(HooksCommand),
    /// Check a configuration file, or make entries for it
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check a policy file, or ask the policy who may do what
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a kubeconfig for a user
    Kubeconfig(Kubeconfig),
    /// List what was moved behind the doors: refs that are not as the ledger says; fails if there are any
    Audit(Audit),
    /// Make a dropped draft or proposal a draft again, or list what is kept
    Restore(Restore),
    /// Check everything Stoop stands on, and say what to do; changes nothing, fails if a check does
    Doctor(Doctor),
}

#[derive(Debug, Args)]
struct Doctor {
    /// The directory below which the repositories are
    #[arg(long)]
    root: PathBuf,
    /// The daemon's state directory [default: ROOT/.stoop]
    #[arg(long)]
    state: Option<PathBuf>,
    /// The daemon's configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Verify a whole ledger offline: its chain, its push certificates, and that published tags are what was approved
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Verify {
    /// The bare repository, or a mirror clone of it
    repository: PathBuf,
    /// Who may sign with which key, as OpenSSH's allowed signers; without it the ledger's own keys are taken for right
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// A commit at which the ledger was seen before, and which must be part of it still
    #[arg(long, value_name = "COMMIT")]
    known: Option<ObjectId>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// One repository's path below the root [default: all]
    #[arg(required_if_eq("restore", "true"))]
    repository: Option<String>,
    /// With --restore, only this package's refs
    #[arg(requires = "restore")]
    package: Option<String>,
    /// The directory below which the repositories are
    #[arg(long, required = true)]
    root: Option<PathBuf>,
    /// The daemon's state directory [default: ROOT/.stoop]
    #[arg(long)]
    state: Option<PathBuf>,
    /// The daemon's configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// Put the refs back to what the ledger says
    #[arg(long, conflicts_with = "json")]
    restore: bool,
    /// The administrator in whose name refs are put back
    #[arg(long, default_value = ADMIN)]
    user: String,
}

#[derive(Debug, Args)]
struct Restore {
    /// The repository's path below the root
    repository: String,
    /// The package
    #[arg(required_unless_present = "list", requires = "workspace")]
    package: Option<String>,
    /// The workspace
    workspace: Option<String>,
    /// List what was dropped and is kept, newest first
    #[arg(long, conflicts_with = "package")]
    list: bool,
    /// The directory below which the repositories are
    #[arg(long)]
    root: PathBuf,
    /// The daemon's state directory [default: ROOT/.stoop]
    #[arg(long)]
    state: Option<PathBuf>,
    /// The daemon's configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    /// The author in whose name it is restored
    #[arg(long, default_value = ADMIN)]
    user: String,
}

#[derive(Debug, Args)]
struct Serve {
    /// The directory below which the repositories are
    #[arg(long)]
    root: PathBuf,
    /// Where the daemon keeps what is not in Git [default: ROOT/.stoop]
    #[arg(long)]
    state: Option<PathBuf>,
    /// The configuration file: users, roles, repositories
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where the Kubernetes API listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8443")]
    api: SocketAddr,
    /// Where the Git door listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    git: SocketAddr,
    /// One more name or address that the server's certificate is valid for
    #[arg(long = "server-name", value_name = "NAME")]
    names: Vec<String>,
    /// How the log is written, to standard error
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: a level, or a filter such as stoop=debug
    #[arg(long, env = "STOOP_LOG", default_value = "info")]
    log: String,
}

#[derive(Debug, Subcommand)]
enum RepoCommand {
    /// Make a bare repository with Porch's initial commit
    Create {
        /// The repository's name below the root; .git is added
        name: String,
        /// The directory below which the repositories are
        #[arg(long)]
        root: PathBuf,
        /// The branch to begin
        #[arg(long, default_value = "main")]
        branch: String,
        /// The hash that names its objects, sha1 or sha256; not every Git server and client knows sha256
        #[arg(long, value_name = "HASH", default_value = "sha1")]
        object_format: ObjectFormat,
    },
    /// Take over a repository that has packages, with all its branches and tags
    Import {
        /// The repository to take over: a path or a URL that git can clone
        source: String,
        /// The repository's name below the root; .git is added
        name: String,
        /// The directory below which the repositories are
        #[arg(long)]
        root: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum HooksCommand {
    /// Put everything back as it was before Stoop's hooks came
    Uninstall {
        /// The bare repositories
        #[arg(required = true)]
        repositories: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a configuration file and say what is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
    /// Hash a password that is read from standard input
    Password,
    /// Make a token
    Token,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Read a policy file and say what is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
    /// Say what each rule says to a user who wants to do something to a package
    Why(Box<Why>),
}

#[derive(Debug, Args)]
struct Why {
    /// The user
    user: String,
    /// What the user wants to do, such as save, propose, approve, reject, delete
    verb: String,
    /// The package's full path in its repository
    package: String,
    /// The configuration file, which names the policy
    #[arg(long)]
    config: PathBuf,
    /// The repository, as the API names it
    #[arg(long)]
    repository: Option<String>,
    /// The repository's namespace
    #[arg(long, default_value = "default")]
    namespace: String,
    /// The workspace
    #[arg(long)]
    workspace: Option<String>,
    /// Look at the repository below this directory: who saved, proposed and approved already
    #[arg(long)]
    root: Option<PathBuf>,
    /// The daemon's state directory [default: ROOT/.stoop]
    #[arg(long)]
    state: Option<PathBuf>,
    /// How it is asked for: by push, by API naming a version, or by API naming none
    #[arg(long, default_value = "push", value_parser = ["push", "api", "api-unbound"])]
    via: String,
    /// A reason for going past the policy
    #[arg(long, value_name = "REASON")]
    break_glass: Option<String>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Kubeconfig {
    /// The user
    #[arg(long)]
    user: String,
    /// The directory below which the repositories are; names the state directory ROOT/.stoop
    #[arg(long, required_unless_present = "state")]
    root: Option<PathBuf>,
    /// The state directory
    #[arg(long)]
    state: Option<PathBuf>,
    /// The configuration file, to check that the user is in it
    #[arg(long)]
    config: Option<PathBuf>,
    /// The API's URL, when it is reached by another one than the daemon's own
    #[arg(long)]
    server: Option<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stoop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Doctor(Doctor { root, state, config, json }) => {
            let state = state.unwrap_or_else(|| default_state(&root));
            let report = doctor::examine(&doctor::Options { root, state, config, depth: DEPTH });
            print(if json { report.json() } else { report.text() })?;
            return Ok(if report.count(Level::Fail) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Audit(audit) => return audit_command(audit),
        Command::Restore(restore) => return restore_command(restore),
        Command::Demo { exit } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(demo::run(exit))
        }
        Command::Serve(serve) => {
            init_logging(serve.log_format, &serve.log)?;
            let Serve { root, state, config, api, git, names, .. } = serve;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(daemon::serve(Options { root, state, config, api, git, names }))
        }
        Command::Repo(RepoCommand::Create { name, root, branch, object_format }) => {
            print(cli::repo_create(&root, &name, &branch, object_format)?)
        }
        Command::Repo(RepoCommand::Import { source, name, root }) => print(cli::repo_import(&root, &source, &name)?),
        Command::Hooks(HooksCommand::Uninstall { repositories }) => {
            repositories.iter().try_for_each(|repository| print(cli::hooks_uninstall(repository)?))
        }
        Command::Config(ConfigCommand::Check { file }) => print(cli::config_check(&file)?),
        Command::Config(ConfigCommand::Password) => {
            let mut input = String::new();
            std::io::stdin().take(64 << 10).read_to_string(&mut input)?;
            print(cli::config_password(&input)?)
        }
        Command::Config(ConfigCommand::Token) => print(cli::config_token()?),
        Command::Policy(PolicyCommand::Check { file }) => print(policy::check(&file)?),
        Command::Policy(PolicyCommand::Why(asked)) => {
            let Why {
                user,
                verb,
                package,
                config,
                repository,
                namespace,
                workspace,
                root,
                state,
                via,
                break_glass,
                json,
            } = *asked;
            let via = match via.as_str() {
                "api" => Via::Api,
                "api-unbound" => Via::ApiUnbound,
                _ => Via::Push,
            };
            print(policy::why(&policy::Why {
                user,
                verb,
                package,
                config,
                repository,
                namespace,
                workspace,
                root,
                state,
                via,
                break_glass,
                json,
            })?)
        }
        Command::Kubeconfig(Kubeconfig { user, root, state, config, server }) => {
            let state = state.or(root.map(|root| default_state(&root))).unwrap_or_default();
            let config = config.map(|file| Config::load(Some(&file))).transpose()?;
            print(cli::kubeconfig(&state, config.as_ref(), server.as_deref(), &user)?)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn audit_command(audit: Audit) -> anyhow::Result<ExitCode> {
    let Audit { command, repository, package, root, state, config, json, restore, user } = audit;
    if let Some(AuditCommand::Verify(verify)) = command {
        return verify_command(verify);
    }
    let root = root.unwrap_or_default();
    if let (true, Some(repository)) = (restore, repository.as_ref()) {
        let package = package.as_deref().map(PackagePath::parse).transpose()?;
        return errand(root, state, config, &user, repository, Errand::PutBack(package));
    }
    let repository = repository.as_deref().map(RepositoryPath::parse).transpose()?;
    let report = audit::examine(&audit::Options { root, config, repository, depth: DEPTH })?;
    print(if json { report.json() } else { report.text() })?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify_command(verify: Verify) -> anyhow::Result<ExitCode> {
    let Verify { repository, allowed_signers, known, json } = verify;
    let allowed_signers = allowed_signers.map(|file| AllowedSigners::load(&file)).transpose()?;
    let report = verify::verify(&verify::Options { repository, allowed_signers, known })?;
    print(if json { report.json() } else { report.text() })?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn restore_command(restore: Restore) -> anyhow::Result<ExitCode> {
    let Restore { repository, package, workspace, list: _, root, state, config, user } = restore;
    match (package, workspace) {
        (Some(package), Some(workspace)) => {
            let restore = Errand::Restore(PackagePath::parse(&package)?, Workspace::parse(&workspace)?);
            errand(root, state, config, &user, &repository, restore)
        }
        _ => {
            let repository = Some(RepositoryPath::parse(&repository)?);
            let kept = audit::kept(&audit::Options { root, config, repository, depth: DEPTH })?;
            print(audit::list(&kept))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Has an errand done and prints what became of it; a failure when something was left undone.
fn errand(
    root: PathBuf,
    state: Option<PathBuf>,
    config: Option<PathBuf>,
    user: &str,
    repository: &str,
    errand: Errand,
) -> anyhow::Result<ExitCode> {
    let state = state.unwrap_or_else(|| default_state(&root));
    let request = Request { user: UserName::parse(user)?, repository: repository.to_owned(), errand };
    let reply = errand::run(&Place { root, state, config }, &request)?;
    let lines = reply.done.iter().chain(&reply.left).map(|line| format!("{line}\n")).collect();
    print(lines)?;
    Ok(if reply.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(text: String) -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
