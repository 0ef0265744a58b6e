"""What a deployment would change, told before anything is built: against what the environment runs now."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from dataflow.deploy import table_schemas
from dataflow.deploy.bundle import Bundle, BundleModel, RenderedWorkflow, load_bundle, pin_text
from dataflow.errors import DataflowError, UsageError, display_path

if TYPE_CHECKING:
    from dataflow.deploy.deployments import DeployedPackage, Deployment
    from dataflow.deploy.prepared_package import PreparedPackage
    from dataflow.deploy.source import DeploySource

Action = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class WorkflowChange:
    """How a workflow changes.

    Attributes:
        id: Its id.
        action: Whether it is added, changed or removed.
        diff: The lines of its rendered text, and of its scripts, that differ.
        breaking: What readers or other workflows may miss afterwards.
    """

    id: str
    action: Action
    diff: tuple[str, ...] = ()
    breaking: tuple[str, ...] = ()


@dataclass(frozen=True)
class AssetChange:
    """An asset of a package that changes: its name, or its file, and whether its content is new or gone."""

    name: str
    action: Literal["new", "same", "gone"]


@dataclass(frozen=True)
class PackageChange:
    """How a package changes.

    Attributes:
        key: The package, among those of the environment.
        action: Whether it is added, changed or removed.
        workflows: How its workflows change.
        assets: What they run.
        tables: How the tables that it makes change; `writes NAME` for those whose rows alone may.
    """

    key: str
    action: Action
    workflows: tuple[WorkflowChange, ...] = ()
    assets: tuple[AssetChange, ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its folder in the repository."""
        return self.key.rpartition(":")[2]


@dataclass(frozen=True)
class DeployPlan:
    """What a deployment would do.

    Attributes:
        environment: Where.
        number: The switch that it starts from; 0 where nothing is deployed.
        changes: What it changes, in the order of packages.
        inputs: The hash of what each package is made of, by key: of all that will run there from this repository.
        unchanged: How many packages stay as they are.
        commit: The commit that is deployed; None where no commit holds it.
    """

    environment: str
    number: int
    changes: tuple[PackageChange, ...]
    inputs: Mapping[str, str]
    unchanged: int
    commit: str | None = None

    @property
    def breaking(self) -> tuple[str, ...]:
        """All that may break somebody."""
        return tuple(text for change in self.changes for it in change.workflows for text in it.breaking)

    def to_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "environment": self.environment,
            "number": self.number,
            "commit": self.commit,
            "unchanged": self.unchanged,
            "breaking": list(self.breaking),
            "changes": [
                {
                    "package": change.path,
                    "action": change.action,
                    "workflows": [vars(it) for it in change.workflows],
                    "assets": [vars(it) for it in change.assets],
                    "tables": list(change.tables),
                }
                for change in self.changes
            ],
        }


class SavedPlan(BundleModel):
    """A plan as `--save` keeps it: enough to tell whether what would be deployed, and onto what, is still the same."""

    version: Literal[1] = 1
    environment: str
    repository: str
    number: int
    inputs: dict[str, str]


@dataclass(frozen=True)
class PreparedPlan:
    """A plan together with what it takes to carry it out.

    Attributes:
        plan: The plan.
        prepared: The packages of the repository, by key.
        before: The environment as it stood.
    """

    plan: DeployPlan
    prepared: Mapping[str, PreparedPackage]
    before: Deployment | None

    @property
    def packages_to_build(self) -> list[str]:
        """The packages that need a new bundle."""
        return [change.key for change in self.plan.changes if change.action != "removed"]


def make_plan(
    source: DeploySource,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    details: bool = True,
) -> PreparedPlan:
    """Compare a repository with what its target runs.

    Args:
        source: The repository.
        progress: Told how many of how many packages are looked at.
        details: Whether to say what changes within a package, for which its old bundle is read.

    Raises:
        DefinitionError: There are mistakes in the definitions: all of them.
    """
    prepared = source.prepared(progress)
    inputs = {key: source.inputs(it) for key, it in prepared.items()}
    before = source.standing
    standing = {} if before is None else _own(before, source)
    changes = []
    for key in sorted({*inputs, *standing}):
        was = standing.get(key)
        if was is not None and inputs.get(key) == was.inputs:
            continue
        changes.append(_change(source, key, prepared.get(key), was, details=details))
    plan = DeployPlan(
        environment=source.target.name,
        number=before.number if before else 0,
        changes=tuple(changes),
        inputs=inputs,
        unchanged=sum(key in inputs and was.inputs == inputs[key] for key, was in standing.items()),
        commit=source.checkout.commit if source.checkout.is_clean else None,
    )
    return PreparedPlan(plan, prepared, before)


def save_plan(planned: PreparedPlan, source: DeploySource, file: Path) -> None:
    """Write a plan to a file, for `deploy --plan`.

    Raises:
        DataflowError: It can't be written.
    """
    plan = planned.plan
    saved = SavedPlan(
        environment=plan.environment, repository=source.name, number=plan.number, inputs=dict(plan.inputs)
    )
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_text(saved.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise DataflowError(f"can't write {display_path(file)}: {error.strerror}") from None


def check_saved(planned: PreparedPlan, source: DeploySource, file: Path) -> None:
    """Refuse when a saved plan is not what would be done now.

    Raises:
        UsageError: The file is no plan, or one of another repository.
        DataflowError: The checkout or the environment is not what it was.
    """
    try:
        saved = SavedPlan.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is none that `plan --save` wrote"
        raise UsageError(f"{display_path(file)} can't be read as a plan: {told}") from None
    again = "look at it again: dataflow project plan --save FILE"
    if (saved.repository, saved.environment) != (source.name, source.target.name):
        raise UsageError(
            f"the plan is for {saved.environment} of {saved.repository}, and this is {source.target.name} of "
            f"{source.name}"
        )
    if saved.number != planned.plan.number:
        raise DataflowError(
            f"{saved.environment} has moved since the plan was made: from #{saved.number} to #{planned.plan.number}",
            again,
            permanent=True,
        )
    if saved.inputs != planned.plan.inputs:
        now = planned.plan.inputs
        moved = sorted(key for key in {*saved.inputs, *now} if saved.inputs.get(key) != now.get(key))
        listed = ", ".join(key.rpartition(":")[2] for key in moved[:5]) + (", …" if len(moved) > 5 else "")
        raise DataflowError(f"the repository is not what the plan was made of: {listed} changed", again, permanent=True)


def _own(before: Deployment, source: DeploySource) -> dict[str, DeployedPackage]:
    return {key: it for key, it in before.revision.packages.items() if source.owns(key, it)}


def _change(
    source: DeploySource, key: str, now: PreparedPackage | None, was: DeployedPackage | None, *, details: bool
) -> PackageChange:
    action: Action = "removed" if now is None else "changed" if was else "added"
    if not details:
        return PackageChange(key, action)
    before = load_bundle(source.registry, was.bundle) if was is not None else None
    tables, breaking = _tables(before, now)
    workflows = [*_workflows(source, before, now)]
    if breaking and workflows:
        first = workflows[0]
        workflows[0] = WorkflowChange(first.id, first.action, first.diff, (*first.breaking, *breaking))
    return PackageChange(key, action, tuple(workflows), tuple(_assets(source, before, now)), tables)


def _workflows(source: DeploySource, before: Bundle | None, now: PreparedPackage | None) -> Iterator[WorkflowChange]:
    old = {} if before is None else before.workflows
    new = {} if now is None else now.workflows
    scripts = tuple(_scripts(source, before, now))
    pins = {} if before is None or now is None else source.pinned(now)
    for file in sorted({*old, *new}):
        was, then = old.get(file), new.get(file)
        if was is None and then is not None:
            yield WorkflowChange(then.id, "added")
        elif was is not None and then is None:
            yield WorkflowChange(was.id, "removed", breaking=(f"{was.id}: the workflow is removed",))
        elif was is not None and then is not None:
            diff = tuple(_diff(was.text, pin_text(then.text, pins)))
            used = [it for it in scripts if it[0] in then.text or it[0] not in "".join(w.text for w in new.values())]
            lines = (*diff, *(line for _, lines in used for line in lines))
            if lines or was != then:
                yield WorkflowChange(then.id, "changed", lines, tuple(_missed(was, then)))


def _missed(was: RenderedWorkflow, now: RenderedWorkflow) -> Iterator[str]:
    """Say what a workflow did that it won't do any more."""
    for step in was.steps:
        if step not in now.steps:
            yield f"{now.id}: job {step} is removed"
    for table in was.writes:
        if table not in now.writes:
            yield f"{now.id}: {table} is not written any more"
    if was.id != now.id:
        yield f"{was.id} is called {now.id} from now on"


def _scripts(
    source: DeploySource, before: Bundle | None, now: PreparedPackage | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield how the text of scripts changes, each with the name of its file."""
    if before is None or now is None:
        return
    old = {it.path: it.sha256 for it in before.assets if it.path in now.raw}
    for path, sha256 in now.raw.items():
        if path in old and old[path] != sha256:
            was = source.registry.get(old[path]).decode(errors="replace")
            source.tree.fill(source.root / path)
            then = (source.root / path).read_text(encoding="utf-8", errors="replace")
            yield Path(path).name, [f"{path}:", *_diff(was, then)]


def _diff(was: str, now: str) -> Iterator[str]:
    """Yield the lines that differ, with a line of what stands around them."""
    lines = difflib.unified_diff(was.splitlines(), now.splitlines(), lineterm="", n=1)
    for line in lines:
        if not line.startswith(("---", "+++", "@@")):
            yield line


def _assets(source: DeploySource, before: Bundle | None, now: PreparedPackage | None) -> Iterator[AssetChange]:
    old = {} if before is None else {it.path or it.id: it for it in before.assets}
    new: dict[str, str] = {}
    if now is not None:
        new |= now.raw
        for build in now.builds:
            asset = source.built(build.type, build.namespace)
            new[asset.path.relative_to(source.root).as_posix()] = source.inputs_of(asset).sha256
        for name in now.references:
            new[str(source.pin(name).id)] = source.pin(name).sha256
    for name in sorted({*old, *new}):
        if name not in new:
            yield AssetChange(name, "gone")
        else:
            same = name in old and new[name] in {old[name].sha256, old[name].inputs}
            yield AssetChange(name, "same" if same else "new")


def _tables(before: Bundle | None, now: PreparedPackage | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what becomes of a package's tables, and what of that breaks readers."""
    told: list[str] = []
    breaking: list[str] = []
    was = {} if before is None else before.schemas
    then = {} if now is None else now.schemas
    for text, breaks in table_schemas.changes(was, then):
        told.append(text)
        if breaks:
            breaking.append(text)
    written = {table for it in (now.workflows.values() if now else ()) for table in it.writes}
    told += [f"{table}: written by it" for table in sorted(written) if not any(it.startswith(table) for it in told)]
    return tuple(told), tuple(breaking)
