"""Explaining a plan: how the definitions, scripts, assets and tables of a package change, and what that breaks."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy.bundle.manifest import Bundle, RenderedWorkflow, pin_text
from dataflow.deploy.plan.definition import AssetChange, PackageChange, WorkflowChange
from dataflow.tables.schema.recorded_schema import schema_changes

if TYPE_CHECKING:
    from dataflow.deploy.bundle.prepared_package import PreparedPackage
    from dataflow.deploy.source import DeploySource


def explain(
    source: DeploySource, change: PackageChange, before: Bundle | None, now: PreparedPackage | None
) -> PackageChange:
    """Return a package's change with all that changes within.

    Args:
        source: The repository.
        change: The change as a whole.
        before: What is deployed; None for a package that is added.
        now: What would be deployed; None for a package that is removed.
    """
    tables, breaking = _tables(before, now)
    workflows = [*_workflows(source, before, now)]
    if breaking and workflows:
        first = workflows[0]
        workflows[0] = dataclasses.replace(first, breaking=(*first.breaking, *breaking))
    assets = tuple(_assets(source, before, now))
    return dataclasses.replace(change, workflows=tuple(workflows), assets=assets, tables=tables)


def _workflows(source: DeploySource, before: Bundle | None, now: PreparedPackage | None) -> Iterator[WorkflowChange]:
    old = {} if before is None else before.workflows
    new = {} if now is None else now.workflows
    scripts = tuple(_scripts(source, before, now))
    pins = {} if before is None or now is None else source.assets.published(now)
    for file in sorted({*old, *new}):
        was, then = old.get(file), new.get(file)
        if was is None and then is not None:
            yield WorkflowChange(then.id, "added")
        elif was is not None and then is None:
            yield WorkflowChange(was.id, "removed", breaking=(f"{was.id}: the workflow is removed",))
        elif was is not None and then is not None:
            diff = tuple(text_diff(was.text, pin_text(then.text, pins)))
            used = [it for it in scripts if it[0] in then.text or it[0] not in "".join(w.text for w in new.values())]
            lines = (*diff, *(line for _, lines in used for line in lines))
            if lines or was != then:
                yield WorkflowChange(then.id, "changed", lines, tuple(breaking_changes(was, then)))


def breaking_changes(was: RenderedWorkflow, now: RenderedWorkflow) -> Iterator[str]:
    """Yield what a workflow no longer does."""
    for step in was.steps:
        if step not in now.steps:
            yield f"{now.id}: job {step} is removed"
    for table in was.writes:
        if table not in now.writes:
            yield f"{now.id}: {table} is no longer written"
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
            yield Path(path).name, [f"{path}:", *text_diff(was, then)]


def text_diff(was: str, now: str) -> Iterator[str]:
    """Yield the lines that differ, with one line of context."""
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
            asset = source.assets.built(build.type, build.namespace)
            new[asset.path.relative_to(source.root).as_posix()] = source.assets.inputs_of(asset).sha256
        for name in now.references:
            new[str(source.assets.pin(name).id)] = source.assets.pin(name).sha256
    for name in sorted({*old, *new}):
        if name not in new:
            yield AssetChange(name, "gone")
        else:
            same = name in old and new[name] in {old[name].sha256, old[name].inputs}
            yield AssetChange(name, "same" if same else "new")


def _tables(before: Bundle | None, now: PreparedPackage | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how a package's tables change, and which of those changes break readers."""
    changes: list[str] = []
    breaking: list[str] = []
    was = {} if before is None else before.schemas
    then = {} if now is None else now.schemas
    for text, breaks in schema_changes(was, then):
        changes.append(text)
        if breaks:
            breaking.append(text)
    written = {table for it in (now.workflows.values() if now else ()) for table in it.writes}
    named = {table for table in written if any(it.startswith(table) for it in changes)}
    changes += [f"{table}: written by it" for table in sorted(written - named)]
    return tuple(changes), tuple(breaking)
