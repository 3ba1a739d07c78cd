//! The `stoop` program: the command line, parsed and handed on.
//!
//! Never here: what the commands do (see `cli`, `daemon`).

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use stoop::cli::{self, ObjectFormat};
use stoop::config::Config;
use stoop::daemon::{self, DEPTH, Options, default_state};
use stoop::demo;
use stoop::doctor::{self, Level};
use stoop::domain::oid::ObjectId;
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
    /// Print a kubeconfig for a user
    Kubeconfig(Kubeconfig),
    /// Look at what the ledger says
    #[command(subcommand)]
    Audit(AuditCommand),
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
        Command::Audit(AuditCommand::Verify(Verify { repository, allowed_signers, known, json })) => {
            let allowed_signers = allowed_signers.map(|file| AllowedSigners::load(&file)).transpose()?;
            let report = verify::verify(&verify::Options { repository, allowed_signers, known })?;
            print(if json { report.json() } else { report.text() })?;
            return Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
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
        Command::Kubeconfig(Kubeconfig { user, root, state, config, server }) => {
            let state = state.or(root.map(|root| default_state(&root))).unwrap_or_default();
            let config = config.map(|file| Config::load(Some(&file))).transpose()?;
            print(cli::kubeconfig(&state, config.as_ref(), server.as_deref(), &user)?)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: String) -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
