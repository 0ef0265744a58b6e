"""Preconditions of a deployment, checked before anything is built; a plan checks the same."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dataflow.deploy.ancestry import check_ancestry
from dataflow.deploy.backends import backend
from dataflow.deploy.bundle.script_checks import R_UNCHECKED, conflict_markers
from dataflow.errors import DataflowError, UsageError
from dataflow.secret import has_credentials

if TYPE_CHECKING:
    from dataflow.deploy.bundle.prepared_package import PreparedPackage
    from dataflow.deploy.deployments import DeployedPackage
    from dataflow.deploy.plan.definition import PreparedPlan
    from dataflow.deploy.source import DeploySource
    from dataflow.workflow.project import Environment

_SECRET_KEYS = {"password", "secret", "token", "credential", "secret-access-key"}
_SHOWN = 5


def require_deployable(source: DeploySource, planned: PreparedPlan, *, allow_older: bool = False) -> list[str]:
    """Refuse a deployment that can't be made.

    Args:
        source: The repository.
        planned: What would be done.
        allow_older: Whether the commit may be older than what is deployed.

    Returns:
        Notes for the user.

    Raises:
        DataflowError: It can't be deployed; the message says why.
    """
    target = source.target
    require_no_clear_secrets(target.environment)
    due = {key: planned.prepared[key] for key in planned.packages_to_build}
    for prepared in due.values():
        _require_imports(source, prepared)
    _require_no_errors(source, due.values())
    ids = {key: facts.own_ids for key, facts in planned.prepared.facts.items()}
    runs = [id_ for own_ids in ids.values() for id_ in own_ids]
    if problems := backend(target.environment.backend).check(target.name, target.environment, runs):
        raise DataflowError("\n".join(problems[:_SHOWN]), "give each environment a `dags:` of its own", permanent=True)
    deployed = planned.before.revision.packages if planned.before else {}
    own = {key: it for key, it in deployed.items() if source.owns(key, it)}
    if not target.sandbox:
        source.ownership.refuse_copy(source.registry, own)
    others = {key: it for key, it in deployed.items() if key not in own}
    require_unique_ids({**{key: list(it.workflows) for key, it in others.items()}, **ids}, others)
    notes = [f"not checked: {R_UNCHECKED}"] if any(it.unchecked_r_scripts for it in due.values()) else []
    if target.sandbox or not planned.plan.changes:
        return notes
    return notes + check_ancestry(source.ownership, [it.commit for it in own.values()], allow_older=allow_older)


def _require_no_errors(source: DeploySource, packages: Collection[PreparedPackage]) -> None:
    """Refuse files that can't run at all."""
    errors = [it for package in packages for it in (*package.errors, *_conflict_markers_in_builds(source, package))]
    if errors := list(dict.fromkeys(errors)):
        more = f"\n… and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
        where = shlex.quote(next(it.path for it in packages if it.errors or it.builds))
        hint = f"`dataflow workflow validate {where}` reports this before a deployment"
        raise DataflowError("\n".join(errors[:_SHOWN]) + more, hint, permanent=True)


def _require_imports(source: DeploySource, prepared: PreparedPackage) -> None:
    """Refuse a script that imports a file which is on the disk and would not be deployed."""
    top = source.checkout.root
    for name in prepared.missing_imports:
        here = [top / name] if name.endswith(".R") else [top / f"{name}.py", *(top / name).rglob("*.py")]
        if (file := next((it for it in here if it.is_file()), None)) is not None:
            source.tree.require(source.tree.root / file.relative_to(top))


def _conflict_markers_in_builds(source: DeploySource, prepared: PreparedPackage) -> Iterator[str]:
    """Yield conflict markers in the sources of wheels and jars, not all of which are compiled."""
    for it in prepared.builds:
        inputs = source.assets.inputs_of(source.assets.built(it.type, it.namespace))
        files = (inputs.root / name for name in inputs.files)
        yield from (str(problem) for file in files for problem in conflict_markers(file))


def require_unique_ids(ids: Mapping[str, Iterable[str]], others: Mapping[str, DeployedPackage]) -> None:
    """Refuse two packages with one workflow id.

    Args:
        ids: The workflow ids of all packages that would be deployed, by package.
        others: Those of the packages that belong to other projects.
    """
    seen: dict[str, str] = {}
    for key, workflows in ids.items():
        for id_ in workflows:
            if seen.setdefault(id_, key) != key:
                ownership = next((others[it].repository for it in (seen[id_], key) if it in others), None)
                raise DataflowError(
                    f"workflow {id_} is deployed there by {seen[id_]} already, and {key} has the same id",
                    f"to take it over: dataflow project adopt {ownership}" if ownership else None,
                    permanent=True,
                )


def require_no_clear_secrets(environment: Environment) -> None:
    """Refuse settings with plain-text passwords: a bundle is kept for good, where many can read it."""
    found = [
        f"catalog: {key}"
        for key, value in environment.catalog.items()
        if (key.rpartition(".")[2] in _SECRET_KEYS and "${secret:" not in value) or has_credentials(value)
    ]
    if environment.airflow and environment.airflow.token and "${secret:" not in environment.airflow.token:
        found.append("airflow: token")
    dags = environment.airflow.dags if environment.airflow else None
    addresses = ("state", environment.state), ("openlineage", environment.openlineage), ("airflow: dags", dags)
    for key, address in addresses:
        if has_credentials(address or ""):
            found.append(f"{key}:")
    if found:
        raise UsageError(
            f"environment {environment.name} contains a plain-text secret ({', '.join(found)}), which would be bundled",
            "write ${secret:NAME}: the environment variable NAME, or the file that NAME_FILE names",
        )
