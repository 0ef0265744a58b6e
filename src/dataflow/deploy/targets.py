"""Where a checkout deploys to: its branch decides, and nothing but a clean commit goes past the sandbox.

| checkout                                       | environment             | writes              |
|------------------------------------------------|-------------------------|---------------------|
| the branch of `production`, `main` by default  | `production`            | what that says      |
| the branch of `staging`, or of any other       | that one                | what that says      |
| any other branch                               | `branch-<branch>-<user>`| `<user>__<branch>`  |
| outside git, or with uncommitted changes       | `sandbox-<user>`        | the user's sandbox  |
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.workflow.identity import current_user, slug
from dataflow.workflow.parameters import PREFIX, placeholders
from dataflow.workflow.project import SANDBOX, Environment

if TYPE_CHECKING:
    from dataflow.repository.checkout import Checkout
    from dataflow.workflow.project import Project

PRODUCTION = "production"
_DEFAULT_BRANCHES = {PRODUCTION: "main", "staging": "staging"}
_ANY = "*"
_TARGET = "TARGET_DB"
_LONGEST = 60


@dataclass(frozen=True)
class Target:
    """Where to deploy.

    Attributes:
        name: The deployment's name, such as `production` or `branch-feature~~x-alice`.
        environment: The settings of its runs.
        user: Whose deployment it is; None where the team shares one.
        note: Why it is not the branch's own target, or None.
        sandbox: Whether it is a user's sandbox, which takes what no commit holds.
    """

    name: str
    environment: Environment
    user: str | None = None
    note: str | None = None
    sandbox: bool = False

    @property
    def isolated(self) -> bool:
        """Whether it is isolated from production: it writes its own database, and expires."""
        return self.user is not None

    @property
    def database(self) -> str | None:
        """The only database that its runs write, where it is isolated."""
        return self.environment.params[_TARGET] if self.isolated else None

    @property
    def id_prefix(self) -> str:
        """What its workflow ids begin with, so that no two deployments have the same."""
        return f"{self.database}." if self.isolated else ""


def target_of(checkout: Checkout, project: Project, *, sandbox: bool = False) -> Target:
    """Return where a checkout deploys to.

    Args:
        checkout: The checkout.
        project: What its `dataflow.yaml` says.
        sandbox: Whether the user's sandbox is taken whatever the branch is.

    Raises:
        UsageError: The branch is production's, and `dataflow.yaml` has no such environment; or there is none.
    """
    from dataflow.repository.checkout import DETACHED

    if sandbox or not checkout.is_clean:
        return _sandbox(project, None if sandbox else _why(checkout))
    if checkout.branch == DETACHED:
        raise UsageError("detached HEAD: the branch decides where to deploy", "set DATAFLOW_BRANCH to its name")
    if (shared := _shared(checkout.branch, project)) is not None:
        return shared
    return branch_target(checkout.branch, project)


def branch_target(branch: str, project: Project) -> Target:
    """Return the current user's deployment of a branch that has no environment of its own.

    Raises:
        UsageError: The branch has one.
    """
    if (shared := _shared(branch, project)) is not None:
        raise UsageError(f"branch {branch} deploys to {shared.name}, which the team shares", "name another branch")
    user = current_user()
    environment = _isolated(
        branch_settings(project), f"{user}__{_database_part(branch)}", branch_name(branch, user), project
    )
    return Target(environment.name, environment, user)


def sandbox_target(project: Project) -> Target:
    """Return the current user's sandbox."""
    return _sandbox(project, None)


def branch_name(branch: str, user: str) -> str:
    """Name the deployment of a branch and a user: reversible, and fit for a folder of the registry."""
    from dataflow.assets.ids import escape

    return f"branch-{escape(branch)}-{user}"


def shared_name(branch: str, project: Project) -> str | None:
    """Return the environment that a branch deploys to, None where it has no environment of its own."""
    for name, environment in project.environments.items():
        if name != SANDBOX and branch == (environment.branch or _DEFAULT_BRANCHES.get(name)):
            return name
    return None


def _shared(branch: str, project: Project) -> Target | None:
    name = shared_name(branch, project)
    if name is not None:
        return Target(name, project.environments[name])
    if branch == _DEFAULT_BRANCHES[PRODUCTION] and PRODUCTION not in project.environments:
        raise UsageError(
            f"branch {branch} deploys to production, and dataflow.yaml has no environment '{PRODUCTION}'",
            "add one (`dataflow project init` writes a dataflow.yaml that has it), or deploy to your own --sandbox",
        )
    return None


def _why(checkout: Checkout) -> str:
    if checkout.branch == "nogit":
        return "this is not a git repository"
    return "there are uncommitted changes" if checkout.commit else "there is no commit yet"


def _sandbox(project: Project, note: str | None) -> Target:
    user = current_user()
    base = project.environments[SANDBOX]
    database = base.params.get(_TARGET, f"{user}_sandbox").replace(f"${{{PREFIX}user}}", user)
    environment = _isolated(base, database, f"{SANDBOX}-{user}", project)
    return Target(environment.name, environment, user, note, sandbox=True)


def branch_settings(project: Project) -> Environment:
    """Return where branches take their settings from: `branch: "*"`, else production, as they read its sources."""
    for environment in project.environments.values():
        if environment.branch == _ANY:
            return environment
    return project.environments.get(PRODUCTION, project.environments[SANDBOX])


def _isolated(base: Environment, database: str, name: str, project: Project) -> Environment:
    if any(not found.escaped for found in placeholders(database)):
        raise UsageError(f"TARGET_DB of the sandbox is '{database}': it has to be known before a run")
    return dataclasses.replace(
        base,
        name=name,
        params={**base.params, _TARGET: database},
        # Isolated runs are not recorded with those of production.
        state=base.state if base.branch == _ANY else project.environments[SANDBOX].state,
        branch=None,
        places={},
        isolated=True,
    )


def _database_part(branch: str) -> str:
    """Make a branch's name a part of a database's name; never the same for two branches.

    `slug` makes no double underscore, so what stands on both sides of one can't be mistaken.
    """
    short = slug(branch)
    if len(short) > _LONGEST:  # Hive takes 128 characters for all of it; the deployment's name has the whole branch
        return f"{short[:_LONGEST].rstrip('_')}__{hashlib.sha256(branch.encode()).hexdigest()[:12]}"
    return short if short == branch else f"{short}__{hashlib.sha256(branch.encode()).hexdigest()[:6]}"
