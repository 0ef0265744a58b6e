"""A package made ready to be deployed: its definitions rendered, and all that they run and touch, named.

Nothing is built, and the registry is not asked. The answer is kept in the Dataflow home under a hash of the
package's files, so that of three hundred packages only those that changed are read again.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import dataflow
from dataflow.deploy.bundle import (
    BundleModel,
    PackageIdentity,
    RenderedWorkflow,
    Schedule,
    TableSchema,
    digest,
    environment_settings,
)
from dataflow.deploy.bundle_files import R_PROJECT, AssetCollector, program_specs
from dataflow.deploy.file_hashes import FileHashCache, read_cached, write_cached
from dataflow.deploy.imports import files_beside
from dataflow.deploy.package import PackageFolder, PreparedPackage
from dataflow.deploy.script_checks import conflict_markers, errors_among, r_program, syntax_problems
from dataflow.errors import DefinitionError, Problem, UsageError, display_path
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.assets.discover import Repository
    from dataflow.deploy.targets import Target
    from dataflow.workflow.identity import Identity
    from dataflow.workflow.render import Fixed, Rendering
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile


class _Kept(BundleModel):
    """What is kept of a preparation: what came of it, and the files elsewhere that it was made of."""

    prepared: PreparedPackage
    elsewhere: dict[str, str | None]


@dataclass
class Preparation:
    """Prepares the packages of one repository for one target.

    Attributes:
        repository: What it holds.
        target: Where it is deployed to.
        hashes: Checksums of its files.
        problems: The mistakes found, in all packages.
    """

    repository: Repository
    target: Target
    hashes: FileHashCache
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        target = self.target
        about = {
            "dataflow": _tool(),
            "settings": environment_settings(target.environment, target.environment.params).model_dump(mode="json"),
            "user": target.user,
            "holes": sorted(self.repository.tree.holes.items()),
            "assets": sorted((it.type, it.namespace) for it in self.repository.assets if it.builder != "raw"),
            "r": r_program() is not None,
        }
        self._about = digest(about)

    def prepare(self, folder: PackageFolder) -> PreparedPackage | None:
        """Return a package as it would be deployed; None when it has mistakes, which are noted."""
        own = {name: self._checksum(name) for name in folder.files}
        key = digest([self._about, folder.path, own])
        kept = read_cached("prepared", key, _Kept)
        if kept is not None and all(self._checksum(name) == was for name, was in kept.elsewhere.items()):
            return kept.prepared
        try:
            package, prepared = self._prepare(folder)
        except DefinitionError as error:
            self.problems += error.problems
            return None
        elsewhere = {name: self._checksum(name) for name in sorted(package.touched - own.keys())}
        write_cached("prepared", key, _Kept(prepared=prepared, elsewhere=elsewhere))
        return prepared

    def _prepare(self, folder: PackageFolder) -> tuple[_Package, PreparedPackage]:
        """Prepare a package from its own files, and from all of the repository's where those are not enough."""
        tree = self.repository.tree
        for above in PurePosixPath(folder.path).parents:  # where R looks for its project
            for name in R_PROJECT:
                tree.fill(tree.root / above / name)
        tree.fill(tree.root / folder.path)
        while True:
            whole = tree.on_fill is None
            package = _Package(self.repository, self.target, self.hashes, folder)
            try:
                return package, package.prepared()
            except UsageError:
                if whole:
                    raise
            tree.fill()

    def _checksum(self, name: str) -> str | None:
        """Return the checksum of a file, or of the names of all that lies in a folder, which ends in a `/`."""
        path = self.repository.root / name
        if name.endswith("/"):
            return digest(files_beside(self.repository.tree, path))
        if self.repository.tree.marks:
            return self.repository.tree.marks.get(name)
        return self.hashes.of(path) if path.is_file() else None


@functools.cache
def _tool() -> list[str]:
    """Return what tells one Dataflow from another, also where somebody works on it: what it renders may differ."""
    top = Path(dataflow.__file__).parent
    rooms = ("assets", "build", "deploy", "lineage", "repository", "runner", "tables", "workflow")
    files = (path for room in rooms for path in (top / room).rglob("*.py"))
    return [dataflow.__version__, *sorted(f"{path.name} {path.stat().st_mtime_ns}" for path in files)]


class _Package:
    """One package while it is prepared."""

    def __init__(self, repository: Repository, target: Target, hashes: FileHashCache, folder: PackageFolder) -> None:
        self.repository = repository
        self.root = repository.root
        self.tree = repository.tree
        self.target = target
        self.hashes = hashes
        self.folder = folder
        self.touched: set[str] = set()
        self.taken = AssetCollector(repository, hashes, folder.path, self.touched)
        self._problems: list[Problem] = []
        self._packages: dict[str, PackageIdentity] = {}
        self._schemas: dict[str, TableSchema] = {}
        self._doubts: dict[str, tuple[str, ...]] = {}
        self._broken: set[Problem] = set()

    def prepared(self) -> PreparedPackage:
        """Prepare it.

        Raises:
            DefinitionError: There are mistakes in it: all of them.
        """
        loaded = self._loaded()
        if self._problems:
            raise DefinitionError(self._problems)
        files, given = self._closure()
        workflows = {name: self._workflow(name, file, given[name], loaded) for name, file in files.items()}
        if self._problems:
            raise DefinitionError(self._problems)
        identity = self._identity(self.folder.path)
        from dataflow.workflow.render import known_params

        params = known_params(self._known(identity))
        self._broken.update(*(conflict_markers(self.root / name) for name in self.folder.files))
        taken = self.taken
        return PreparedPackage(
            path=self.folder.path,
            packages=dict(sorted(self._packages.items())),
            environment=environment_settings(self.target.environment, params),
            user=self._user(identity),
            workflows=workflows,
            raw=dict(sorted(taken.raw.items())),
            files={name: sha for name, sha in sorted(taken.files.items()) if name not in taken.raw},
            builds=tuple(sorted(taken.builds, key=lambda it: (it.type, it.namespace))),
            references=tuple(sorted(taken.references)),
            schemas=dict(sorted(self._schemas.items())),
            doubts=self._doubts,
            broken=tuple(map(str, sorted({*self._broken, *taken.mistakes()}))),
            unmet=tuple(sorted(taken.unmet)),
            unchecked=0 if r_program() else len(taken.r_scripts),
        )

    # ------------------------------------------------------------------------------------- definitions

    def _loaded(self) -> dict[str, Workflow]:
        """Load every definition as a run would, for all that is wrong with it to be told."""
        from dataflow.workflow.load import Request, load_workflow

        found: dict[str, Workflow] = {}
        for name in self.folder.definitions:
            user = self._user(self._identity(self.folder.path))
            request = Request(environment=self.target.environment, user=user, reference=self.taken.pointer)
            try:
                found[name] = load_workflow(self.root / name, request)
            except DefinitionError as error:
                self._problems += self._explained(name, error.problems)
        return found

    def _explained(self, name: str, problems: Sequence[Problem]) -> Iterator[Problem]:
        """Say of a script that is not here why it is not, where the disk has it and git does not."""
        from dataflow.workflow.yamlfile import read_yaml, unreadable

        paths = []
        for file in {self.root / name, *(it.file for it in problems)}:
            with contextlib.suppress(DefinitionError):
                if file.is_file():
                    data = read_yaml(file).data
                    paths += [
                        file.parent / str(it[key]) for key in ("script", "file") for it in program_specs(data, key)
                    ]
        told = {unreadable(path): path for path in paths if not path.exists()}
        for problem in problems:
            if (path := told.get(problem.message)) is None:
                yield problem
                continue
            try:
                self.tree.require(Path(os.path.normpath(path)))
                yield problem
            except UsageError as error:
                yield replace(problem, message=error.message)

    def _closure(self) -> tuple[dict[str, YamlFile], dict[str, set[str]]]:
        """Return the package's definitions and all that they call, and what each is given by its callers."""
        from dataflow.workflow.render import given_by
        from dataflow.workflow.yamlfile import read_yaml

        files: dict[str, YamlFile] = {}
        given: dict[str, set[str]] = {}
        left = list(self.folder.definitions)
        while left:
            name = left.pop(0)
            if name in files:
                continue
            files[name] = read_yaml(self.root / name)
            given.setdefault(name, set())
            for called, names in given_by(files[name]).items():
                inner = self.taken.relative(self.root / name, called)
                given.setdefault(inner, set()).update(names)
                left.append(inner)
        self.touched |= files.keys()
        return dict(sorted(files.items())), given

    def _workflow(self, name: str, file: YamlFile, given: set[str], loaded: Mapping[str, Workflow]) -> RenderedWorkflow:
        from dataflow.workflow.render import Rendering

        identity = self._identity(os.path.dirname(name) or ".")  # noqa: PTH120
        rendering = Rendering(file, self._known(identity, given))
        self._problems += self.taken.gather(file, rendering.data, name)
        workflow = loaded.get(name)
        head = f"# {name}, as it is deployed to {self.target.name}. Rendered: edit the definition, not this.\n"
        if workflow is None:  # another package's, called from here: it is deployed and checked as a part of that
            return RenderedWorkflow(id=rendering.id, text=head + rendering.text, fixed=rendering.fixed)
        if doubts := list(syntax_problems(workflow)):
            self._doubts[name] = tuple(map(str, doubts))
            self._broken.update(errors_among(doubts))
        return self._described(workflow, rendering, head + rendering.text, file)

    def _described(self, workflow: Workflow, rendering: Rendering, text: str, file: YamlFile) -> RenderedWorkflow:
        from dataflow.deploy.table_schemas import schemas_of
        from dataflow.runner.plan import plan

        planned = plan(workflow)
        for table, schema in schemas_of(workflow).items():
            self._schemas.setdefault(table, schema)
        if self.target.isolated:
            self._check_writes(planned.writes, file)
        trigger = workflow.trigger
        return RenderedWorkflow(
            id=rendering.id,
            text=text,
            schedule=Schedule(cron=trigger.cron, timezone=trigger.timezone) if trigger else None,
            fixed=rendering.fixed,
            steps={step.id: step.type for step in planned.steps},
            reads=planned.reads,
            writes=planned.writes,
        )

    def _check_writes(self, tables: tuple[str, ...], file: YamlFile) -> None:
        """Refuse to deploy what would write past the deployment's own database."""
        catalog = self.target.environment.catalog_name.lower()
        for table in tables:
            parts = table_names.split(table.lower())
            parts = parts[1:] if parts[0] == catalog and len(parts) > 2 else parts
            if parts[:-1] != (str(self.target.database).lower(),):
                message = (
                    f"'{self.target.name}' may write {self.target.database} alone, and this would write {table}: "
                    "name it by ${TARGET_DB}"
                )
                self._problems.append(file.value_place(("workflow", "id")).problem(message))

    def _identity(self, folder: str) -> Identity:
        from dataflow.workflow.identity import FILE_NAME
        from dataflow.workflow.project import read_identity

        if folder not in self._packages:
            identity = read_identity(self.root / folder)
            if not identity.pinned and not self.target.isolated:
                raise UsageError(
                    f"{display_path(self.root / folder)} has no {FILE_NAME}, so its owner would be whoever deploys it",
                    "`dataflow sample workflow` writes one; or write owner, package_id and uuid into it, and commit it",
                )
            self.touched.add(f"{folder}/{FILE_NAME}" if folder != "." else FILE_NAME)
            self._packages[folder] = PackageIdentity(id=identity.package_id, uuid=identity.uuid, owner=identity.owner)
        return self._packages[folder].identity()

    def _known(self, identity: Identity, given: Collection[str] = ()) -> Fixed:
        from dataflow.workflow.render import Fixed

        target = self.target
        return Fixed(target.environment, identity, self._user(identity), target.id_prefix, given, self.taken.pointer)

    def _user(self, identity: Identity) -> str:
        """Say who `${dataflow.user}` is: in an environment that is shared not whoever deploys, which may be CI."""
        return self.target.user or identity.owner
