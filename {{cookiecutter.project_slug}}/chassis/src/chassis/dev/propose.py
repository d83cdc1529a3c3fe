"""`make propose patch=… branch=… title=…`: open a pull request with a patch, and run the workflow Check.

It is for workflows and needs gh with a token. It does nothing if the patch is empty, or if the branch has it already.

Nobody has reviewed the patch. So git applies it to the index only: no file of it is written here, where a program that
has the token could run it or follow a symlink of it.
"""

import os
import subprocess
import sys

from chassis.dev.project import PROJECT

NAME, MAIL = "github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com"
# The checkout keeps no credentials; git asks gh, which has them in its environment.
CREDENTIALS = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")


def run(*command: str) -> str:
    return subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout


def is_proposed(branch: str) -> bool:
    """Whether the branch holds what is committed here already: then somebody may have begun to read it."""
    if not run("git", *CREDENTIALS, "ls-remote", "--heads", "origin", branch):
        return False
    run("git", *CREDENTIALS, "fetch", "--quiet", "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
    trees = [run("git", "rev-parse", f"{revision}^{{tree}}") for revision in (f"origin/{branch}", "HEAD")]
    return trees[0] == trees[1]


def main() -> int:
    patch, branch, title = (os.environ[name] for name in ("patch", "branch", "title"))  # As they stand after `make`.
    run("git", "apply", "--cached", "--allow-empty", "--whitespace=nowarn", "--", patch)
    if not run("git", "diff", "--cached", "--name-only"):
        print("Nothing has changed")
        return 0
    identity = ("-c", f"user.name={NAME}", "-c", f"user.email={MAIL}")
    run("git", *identity, "commit", "--quiet", "--message", title)
    if is_proposed(branch):
        print("The branch has these changes already")
        return 0
    run("git", *CREDENTIALS, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
    if not run("gh", "pr", "list", "--head", branch, "--json", "number", "--jq", ".[].number").strip():
        print(run("gh", "pr", "create", "--head", branch, "--title", title, "--body", "Made by a workflow."))
    # A pull request of a workflow's own token starts no workflow; this does.
    run("gh", "workflow", "run", "check.yml", "--ref", branch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
