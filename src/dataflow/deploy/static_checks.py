"""Static checks of `project test`: workflows are rendered and checked, and nothing is run.

Each definition is rendered to `.workflows/<package>.<name>.sch.rendered.yaml` for the environment that the checkout
deploys to. Parameters, references, scripts and tables are checked; nothing is built, no JVM is started.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from dataflow.deploy.bundle.package_preparer import PackagePreparer
from dataflow.deploy.bundle.packages import all_projects, find_packages
from dataflow.deploy.source import DeploySource, open_source
from dataflow.errors import DataflowError, UsageError
from dataflow.files import write_file
from dataflow.workflow.discovery import DEFINITION

if TYPE_CHECKING:
    from dataflow.deploy.bundle.packages import PackageFolder
    from dataflow.deploy.bundle.prepared_package import PreparedPackage

RENDERED = ".workflows"


@dataclass(frozen=True)
class CheckedDefinition:
    """A definition that was rendered and checked.

    Attributes:
        file: The definition.
        package: Its package's folder.
        rendered: Where its rendered text is; None when it has mistakes that leave nothing to render.
        problems: What is wrong with it.
        notes: What could not be checked, and why.
        seconds: How long its package took.
    """

    file: Path
    package: Path
    rendered: Path | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def status(self) -> Literal["passed", "failed", "skipped"]:
        """The result; `skipped` where mistakes elsewhere in the package kept it from being rendered."""
        return "failed" if self.problems else "passed" if self.rendered else "skipped"


def check_workflows(paths: Sequence[Path]) -> list[CheckedDefinition]:
    """Render and check the workflows below some folders of one repository.

    Args:
        paths: The folders.

    Raises:
        DefinitionError: `dataflow.yaml` has mistakes.
    """
    tops = [path.resolve() for path in paths]
    return [it for folder in _projects(tops) for it in _check_project(folder, tops)]


def _projects(tops: Sequence[Path]) -> list[Path]:
    """Return a folder of each project that has packages below some folders: the nearest `dataflow.yaml` decides."""
    from dataflow.repository.checkout import read_checkout
    from dataflow.repository.tree import tree_of_disk

    tree = tree_of_disk(read_checkout(tops[0]).root)
    scopes = [it for it in all_projects(tree) if it is not None]
    below = [tree.root / it for it in scopes if _is_below(tree.root / it, tops)]
    return list(dict.fromkeys([tops[0], *below]))


def _check_project(start: Path, tops: Sequence[Path]) -> list[CheckedDefinition]:
    try:
        source = open_source(start, disk=True)
    except UsageError:  # this branch can't be deployed; what is written is to be right all the same
        source = open_source(start, sandbox=True, disk=True)
    folders = [it for it in find_packages(source.tree, source.scope) if _is_below(source.root / it.path, tops)]
    preparer = PackagePreparer(source.repository, source.target, source.hashes)
    prepared: dict[str, PreparedPackage | None] = {}
    mistakes: dict[str, list[str]] = {}
    took: dict[str, float] = {}
    for folder in folders:
        began = time.monotonic()
        before = len(preparer.problems)
        try:
            prepared[folder.path] = preparer.prepare(folder)
        except UsageError as error:
            prepared[folder.path], mistakes[folder.path] = None, [error.message]
        for problem in sorted(set(preparer.problems[before:])):
            mistakes.setdefault(folder.path, []).append(str(problem))
        took[folder.path] = time.monotonic() - began
    tables = _TableCheck(source, [it for it in prepared.values() if it is not None])
    names = _names(source, folders)
    checked: list[CheckedDefinition] = []
    for folder in folders:
        found = prepared[folder.path]
        if found is None:
            checked += _failed(source, folder, mistakes.get(folder.path, []), took[folder.path])
        else:
            checked += _checked(source, folder, found, names, tables, took[folder.path])
    return checked


def _is_below(folder: Path, tops: Collection[Path]) -> bool:
    return any(folder.is_relative_to(top) for top in tops)


def _failed(
    source: DeploySource, folder: PackageFolder, mistakes: Sequence[str], seconds: float
) -> Iterator[CheckedDefinition]:
    """Yield each mistake with the definition that it is in; those of no definition with the last one."""
    left = list(mistakes)
    for number, name in enumerate(folder.definitions):
        own = [it for it in left if f"{PurePosixPath(name).name}:" in it]
        last = number == len(folder.definitions) - 1
        problems = left if last else own
        left = [it for it in left if it not in problems]
        notes = () if problems else ("not rendered: other definitions of its package have mistakes",)
        yield CheckedDefinition(source.root / name, source.root / folder.path, None, tuple(problems), notes, seconds)


def _checked(
    source: DeploySource,
    folder: PackageFolder,
    prepared: PreparedPackage,
    names: Mapping[str, str],
    tables: _TableCheck,
    seconds: float,
) -> Iterator[CheckedDefinition]:
    seen = {it for doubts in prepared.script_problems.values() for it in doubts}
    beside = [it for it in prepared.errors if it not in seen]  # in what scripts import
    unknown = list(_references(source, prepared))
    for name in folder.definitions:
        workflow = prepared.workflows[name]
        problems = [*prepared.script_problems.get(name, ()), *beside, *unknown, *tables.missing(workflow.reads)]
        stem = PurePosixPath(name).name.removesuffix(DEFINITION)
        rendered = _write(source.root, f"{names[folder.path]}.{stem}.sch.rendered.yaml", workflow.text)
        notes = (tables.unknown,) if tables.unknown and workflow.reads else ()
        yield CheckedDefinition(
            source.root / name, source.root / folder.path, rendered, tuple(problems), notes, seconds
        )


def _references(source: DeploySource, prepared: PreparedPackage) -> Iterator[str]:
    for name in prepared.references:
        try:
            source.assets.pin(name)
        except DataflowError as error:
            yield f"{error.message}{f' ({error.hint})' if error.hint else ''}"


def _names(source: DeploySource, folders: Sequence[PackageFolder]) -> dict[str, str]:
    """Return the names of packages in file names: their folders, their whole paths where two share one."""

    def short(folder: PackageFolder) -> str:
        return source.checkout.repo if folder.path == "." else PurePosixPath(folder.path).name

    count = Counter(map(short, folders))
    return {it.path: short(it) if count[short(it)] == 1 else it.path.replace("/", ".") for it in folders}


def _write(root: Path, name: str, text: str) -> Path:
    folder = root / RENDERED
    folder.mkdir(exist_ok=True)
    if not (ignored := folder / ".gitignore").exists():
        ignored.write_text("# Rendered by `dataflow project test`.\n*\n", encoding="utf-8")
    file = folder / name
    write_file(file, text)
    return file


class _TableCheck:
    """Checks whether tables exist: in the catalog, written by the repository's workflows, or made on demand.

    Attributes:
        unknown: Why the catalog can't be read; None when it can.
    """

    def __init__(self, source: DeploySource, prepared: Sequence[PreparedPackage]) -> None:
        self._source = source
        self._made = {self._plain(it) for package in prepared for w in package.workflows.values() for it in w.writes}
        self._found: dict[str, bool] = {}
        self.unknown: str | None = None

    def missing(self, tables: Sequence[str]) -> Iterator[str]:
        """Yield a message for each table that does not exist and that no workflow creates."""
        for table in tables:
            if not (self._plain(table) in self._made or self._exists(table) or self.unknown):
                yield f"table {table} does not exist, and no workflow here makes it"

    def _plain(self, table: str) -> str:
        return table.lower().removeprefix(f"{self._source.target.environment.catalog_name.lower()}.")

    def _exists(self, table: str) -> bool:
        from dataflow.sample.demo_rows import TABLES
        from dataflow.tables.catalog import is_embedded
        from dataflow.tables.reader.catalog_tables import TableReader

        environment = self._source.target.environment
        if is_embedded(environment) and self._plain(table) in TABLES:
            return True  # the demo source is made when it is first read
        if "." not in table or self.unknown:
            return True  # a view of the script's own
        if table not in self._found:
            try:
                self._found[table] = TableReader(environment).has(table)
            except Exception as error:  # each kind of catalog raises its own
                cause = getattr(error, "message", None) or str(error)
                self.unknown = f"tables are not checked: {cause.partition(chr(10))[0]}"
                return True
        return self._found[table]
