"""What a deployment is refused for, before anything is built: a plan says the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dataflow.deploy.ancestry import check_ancestry
from dataflow.deploy.backends import backend
from dataflow.deploy.script_checks import R_UNCHECKED, conflict_markers
from dataflow.errors import DataflowError, UsageError
from dataflow.secret import has_credentials

if TYPE_CHECKING:
    from dataflow.deploy.deployments import DeployedPackage
    from dataflow.deploy.plan.definition import PreparedPlan
    from dataflow.deploy.prepared_package import PreparedPackage
    from dataflow.deploy.source import DeploySource
    from dataflow.workflow.project import Environment

_SECRET_KEYS = {"password", "secret", "token", "credential", "secret-access-key"}
_SHOWN = 5


def require_deployable(source: DeploySource, planned: PreparedPlan, *, allow_older: bool = False) -> list[str]:
    """Refuse what can't be deployed.

    Args:
        source: The repository.
        planned: What would be done.
        allow_older: Let the commit be older than what stands.

    Returns:
        What the user should know all the same.

    Raises:
        DataflowError: It can't be deployed; the message says why.
    """
    target = source.target
    require_no_clear_secrets(target.environment)
    due = {key: planned.prepared[key] for key in planned.packages_to_build}
    for prepared in due.values():
        _refuse_forgotten(source, prepared)
    found = [it for prepared in due.values() for it in (*prepared.errors, *_in_builds(source, prepared))]
    if broken := list(dict.fromkeys(found)):
        more = f"\n… and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        told = "\n".join(broken[:_SHOWN]) + more
        where = shlex.quote(next(it.path for it in due.values() if it.errors or it.builds))
        raise DataflowError(told, f"`dataflow workflow validate {where}` says so before", permanent=True)
    runner = backend(target.environment.backend)
    for prepared in due.values():
        if problems := runner.check(prepared):
            raise DataflowError(f"{prepared.path} can't be deployed: {'; '.join(problems)}", permanent=True)
    deployed = planned.before.revision.packages if planned.before else {}
    own = {key: it for key, it in deployed.items() if source.owns(key, it)}
    if not target.sandbox:
        source.ownership.refuse_copy(source.registry, own)
    ids = {key: [it.id for it in prepared.own_workflows.values()] for key, prepared in planned.prepared.items()}
    others = {key: it for key, it in deployed.items() if key not in own}
    require_unique_ids({**{key: list(it.workflows) for key, it in others.items()}, **ids}, others)
    notes = [f"not checked: {R_UNCHECKED}"] if any(it.unchecked_r_scripts for it in due.values()) else []
    if target.sandbox or not planned.plan.changes:
        return notes
    return notes + check_ancestry(source.ownership, [it.commit for it in own.values()], allow_older=allow_older)


def _refuse_forgotten(source: DeploySource, prepared: PreparedPackage) -> None:
    """Refuse a script that imports what the disk has beside it, and what is deployed has not."""
    top = source.checkout.root
    for name in prepared.missing_imports:
        here = [top / name] if name.endswith(".R") else [top / f"{name}.py", *(top / name).rglob("*.py")]
        if (file := next((it for it in here if it.is_file()), None)) is not None:
            source.tree.require(source.tree.root / file.relative_to(top))


def _in_builds(source: DeploySource, prepared: PreparedPackage) -> Iterator[str]:
    """Yield where conflict markers stand in what wheels and jars are made of: not all of it is compiled."""
    for it in prepared.builds:
        inputs = source.assets.inputs_of(source.assets.built(it.type, it.namespace))
        files = (inputs.root / name for name in inputs.files)
        yield from (str(problem) for file in files for problem in conflict_markers(file))


def require_unique_ids(ids: Mapping[str, Iterable[str]], others: Mapping[str, DeployedPackage]) -> None:
    """Refuse two packages with one workflow id: another project may have it already.

    Args:
        ids: The workflows of all that would stand, by package.
        others: What of it is of other projects.
    """
    seen: dict[str, str] = {}
    for key, workflows in ids.items():
        for id_ in workflows:
            if seen.setdefault(id_, key) != key:
                ownership = next((others[it].repository for it in (seen[id_], key) if it in others), None)
                raise DataflowError(
                    f"workflow {id_} is deployed there by {seen[id_]} already, and {key} has one of the same id",
                    f"to take it over: dataflow project adopt {ownership}" if ownership else None,
                    permanent=True,
                )


def require_no_clear_secrets(environment: Environment) -> None:
    """Refuse settings that hold a password as it is: a bundle is kept for good, where many can read it."""
    found = [
        f"catalog: {key}"
        for key, value in environment.catalog.items()
        if (key.rpartition(".")[2] in _SECRET_KEYS and "${secret:" not in value) or has_credentials(value)
    ]
    for key, address in (("state", environment.state), ("openlineage", environment.openlineage)):
        if has_credentials(address or ""):
            found.append(f"{key}:")
    if found:
        raise UsageError(
            f"environment {environment.name} holds a secret in the clear ({', '.join(found)}), and it would be bundled",
            "write ${secret:NAME}: the environment variable NAME, or the file that NAME_FILE names",
        )
