//! The tour itself: what is done, by whom, and what must come of it.
//!
//! Never here: how commands are run and shown (see `step`).

use anyhow::Result;

use super::requirements::Requirements;
use super::say;
use super::stage::{Stage, USERS};
use super::step::{Shell, Told};

const SERVE: &str = "stoop serve --root root --config stoop.yaml --api 127.0.0.1:0 --git 127.0.0.1:0";
const PUBLISH: &str =
    r#"kubectl patch packagerevision demo.frontend.scale-up --type=merge -p '{"spec":{"lifecycle":"Published"}}'"#;

/// Walks the whole tour.
///
/// # Errors
/// The first step that did not go as told.
pub(super) async fn walk(stage: &mut Stage, requirements: &Requirements) -> Result<()> {
    say(&format!("The demo runs in {}, with {}.", stage.path().display(), requirements.git))?;
    match &requirements.kubectl {
        Some(kubectl) => say(&format!("kubectl is {}.", kubectl.display()))?,
        None => say("kubectl is not installed: steps that need it are left out, and the tour says which.")?,
    }
    let users: Vec<String> = USERS.iter().map(|(user, role)| format!("{user} is an {role}")).collect();
    say(&format!("{}. What follows is typed by them, and answered by the real programs.", users.join(", ")))?;

    open(stage).await?;
    let stage = &*stage;
    let (mut ann, mut bob) = (Shell::of("ann", stage), Shell::of("bob", stage));
    draft(stage, &mut ann).await?;
    propose(stage, &ann).await?;
    approve(stage, &mut bob).await?;
    second_revision(stage, &ann, &mut bob, requirements.kubectl.is_some()).await?;
    outcome(stage, &ann).await
}

async fn open(stage: &mut Stage) -> Result<()> {
    say("\n== 1. A bare repository, and the daemon that guards it\n")?;
    let admin = Shell::of("admin", stage);
    let created = Told::Succeeds(&["created, with branch main"]);
    admin.run(stage, "stoop repo create demo --root root", created).await?;
    admin.show(&format!("{SERVE} &"))?;
    let ready = stage.start_daemon(SERVE).await?;
    say(&ready)
}

async fn draft(stage: &Stage, ann: &mut Shell) -> Result<()> {
    say("\n== 2. ann writes a package and saves it as a draft: a push to drafts/<package>/<workspace>\n")?;
    ann.run(stage, &format!("git clone {} ann", stage.url("ann")?), Told::Succeeds(&[])).await?;
    ann.change_directory("ann")?;
    ann.run(stage, "cp -r ../package frontend", Told::Succeeds(&[])).await?;
    ann.run(stage, "ls frontend", Told::Succeeds(&["Kptfile"])).await?;
    ann.run(stage, "git add frontend && git commit -q -m 'frontend: a page that greets'", Told::Succeeds(&[])).await?;
    let saved = Told::Succeeds(&["frontend initial: draft saved at"]);
    ann.run(stage, "git push origin HEAD:refs/heads/drafts/frontend/initial", saved).await
}

async fn propose(stage: &Stage, ann: &Shell) -> Result<()> {
    say("\n== 3. ann proposes it, and may not approve it herself: the Git server refuses\n")?;
    let proposed = Told::Succeeds(&["frontend initial: proposed at"]);
    ann.run(stage, "git push origin HEAD:refs/heads/proposed/frontend/initial", proposed).await?;
    let refused = Told::Refused(&["ann may not approve frontend initial: this needs the role approver"]);
    ann.run(stage, "git push origin HEAD:refs/approve/frontend/initial", refused).await
}

async fn approve(stage: &Stage, bob: &mut Shell) -> Result<()> {
    say("\n== 4. bob reviews the proposal and approves exactly what he has seen, by a push\n")?;
    bob.run(stage, &format!("git clone {} bob", stage.url("bob")?), Told::Succeeds(&[])).await?;
    bob.change_directory("bob")?;
    let changed = Told::Succeeds(&["frontend/Kptfile", "4 files changed"]);
    bob.run(stage, "git diff --stat origin/main...origin/proposed/frontend/initial", changed).await?;
    let published = Told::Succeeds(&["frontend initial: published as v1"]);
    bob.run(stage, "git push origin origin/proposed/frontend/initial:refs/approve/frontend/initial", published).await
}

async fn second_revision(stage: &Stage, ann: &Shell, bob: &mut Shell, kubectl: bool) -> Result<()> {
    say("\n== 5. ann proposes a second revision\n")?;
    ann.run(stage, "git pull -q", Told::Succeeds(&[])).await?;
    ann.run(stage, "sed -i 's/replicas: 1/replicas: 3/' frontend/deployment.yaml", Told::Succeeds(&[])).await?;
    ann.run(stage, "git commit -q -a -m 'frontend: three replicas'", Told::Succeeds(&[])).await?;
    let proposed = Told::Succeeds(&["frontend scale-up: proposed at"]);
    ann.run(stage, "git push origin HEAD:refs/heads/proposed/frontend/scale-up", proposed).await?;

    if !kubectl {
        say("\n== 6. bob approves it\n")?;
        say(
            "kubectl is not installed, so this is not shown: `kubectl get packagerevisions`, and the approval through the",
        )?;
        say("Kubernetes API. bob approves by a push again.\n")?;
        bob.run(stage, "git fetch -q", Told::Succeeds(&[])).await?;
        let published = Told::Succeeds(&["frontend scale-up: published as v2"]);
        let push = "git push origin origin/proposed/frontend/scale-up:refs/approve/frontend/scale-up";
        return bob.run(stage, push, published).await;
    }
    say("\n== 6. bob approves it with kubectl: the same rules, through the Kubernetes API\n")?;
    let kubeconfig = "stoop kubeconfig --root ../root --user bob > ../bob.kubeconfig";
    bob.run(stage, kubeconfig, Told::Succeeds(&[])).await?;
    bob.use_kubeconfig("../bob.kubeconfig")?;
    let waiting = Told::Succeeds(&["demo.frontend.scale-up", "Proposed"]);
    bob.run(stage, "kubectl get packagerevisions", waiting).await?;
    bob.run(stage, PUBLISH, Told::Succeeds(&["patched"])).await?;
    let state =
        "kubectl get packagerevision demo.frontend.scale-up -o 'jsonpath={.spec.lifecycle} {.spec.revision}{\"\\n\"}'";
    bob.run(stage, state, Told::Succeeds(&["Published 2"])).await?;
    bob.run(stage, "kubectl get packagerevisions", Told::Succeeds(&["demo.frontend.scale-up"])).await
}

async fn outcome(stage: &Stage, ann: &Shell) -> Result<()> {
    say("\n== 7. What is published is in Git, and stays as it is\n")?;
    ann.run(stage, "git pull -q", Told::Succeeds(&[])).await?;
    let merges = Told::Succeeds(&["Approving package revision frontend/1", "Approving package revision frontend/2"]);
    ann.run(stage, "git log --oneline --graph", merges).await?;
    ann.run(stage, "git tag", Told::Succeeds(&["frontend/v1", "frontend/v2"])).await?;
    let refused = Told::Refused(&["remote rejected"]);
    ann.run(stage, "git push --force origin HEAD:refs/tags/frontend/v1", refused).await
}
