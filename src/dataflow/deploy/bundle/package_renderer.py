"""Rendering a package's definitions for a target: what is known when it is deployed is put in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.deploy.backends import backend
from dataflow.deploy.backends.triggers import schedule_of
from dataflow.deploy.bundle.manifest import RenderedWorkflow
from dataflow.deploy.bundle.script_checks import errors_among, syntax_problems
from dataflow.errors import Problem
from dataflow.tables.schema.recorded_schema import RecordedSchema, recorded_schemas
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.deploy.bundle.asset_collector import AssetCollector
    from dataflow.deploy.bundle.package_loader import DefinitionFile, PackageLoader
    from dataflow.deploy.targets import Target
    from dataflow.workflow.identity import Identity
    from dataflow.workflow.render import RenderContext, Rendering
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile


@dataclass
class PackageRenderer:
    """Renders the definitions of one package.

    Attributes:
        target: Where it is deployed to.
        loader: Knows whose the definitions are.
        assets: Collects what the definitions run.
        problems: Mistakes that rendering found.
        schemas: The tables that the workflows create.
        script_problems: Problems of their scripts, by definition.
        errors: Those of them that keep a script from running at all.
    """

    target: Target
    loader: PackageLoader
    assets: AssetCollector
    problems: list[Problem] = field(default_factory=list)
    schemas: dict[str, RecordedSchema] = field(default_factory=dict)
    script_problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    errors: set[Problem] = field(default_factory=set)

    def render(self, definition: DefinitionFile, workflow: Workflow | None) -> RenderedWorkflow:
        """Render a definition.

        Args:
            definition: The definition.
            workflow: The workflow that it defines; None for another package's, which is deployed as a part of that.
        """
        from dataflow.workflow.render import Rendering

        name, file = definition.name, definition.file
        rendering = Rendering(file, self.fixed(self.loader.identity(definition.folder), definition.given))
        self.problems += self.assets.collect(file, rendering.data, name)
        head = f"# {name}, as it is deployed to {self.target.name}. Rendered: edit the definition, not this.\n"
        text = head + rendering.text
        if workflow is None:
            return RenderedWorkflow(id=rendering.id, text=text, fixed=rendering.fixed)
        if problems := list(syntax_problems(workflow)):
            self.script_problems[name] = tuple(map(str, problems))
            self.errors.update(errors_among(problems))
        return self._described(workflow, rendering, text, file)

    def fixed(self, identity: Identity, given: Collection[str] = ()) -> RenderContext:
        """Return what is known of a package's workflows when they are deployed.

        Args:
            identity: The package.
            given: Names of parameters that a caller gives, which are not known.
        """
        from dataflow.workflow.render import RenderContext

        target, user = self.target, self.loader.user(identity)
        return RenderContext(target.environment, identity, user, target.id_prefix, given, self.assets.pointer)

    def _described(self, workflow: Workflow, rendering: Rendering, text: str, file: YamlFile) -> RenderedWorkflow:
        from dataflow.runner.plan import plan_run

        planned = plan_run(workflow)
        for table, schema in recorded_schemas(workflow).items():
            self.schemas.setdefault(table, schema)
        if self.target.isolated:
            self._check_writes(planned.writes, file)
        outline, refused = backend(self.target.environment.backend).outline(workflow, rendering, file)
        self.problems += refused
        return RenderedWorkflow(
            id=rendering.id,
            text=text,
            schedule=schedule_of(workflow),
            fixed=rendering.fixed,
            steps={step.id: step.type for step in planned.steps},
            reads=planned.reads,
            writes=planned.writes,
            outline=outline,
        )

    def _check_writes(self, tables: tuple[str, ...], file: YamlFile) -> None:
        """Note writes outside of an isolated deployment's own database."""
        catalog = self.target.environment.catalog_name.lower()
        for table in tables:
            parts = table_names.split(table.lower())
            parts = parts[1:] if parts[0] == catalog and len(parts) > 2 else parts
            if parts[:-1] != (str(self.target.database).lower(),):
                message = (
                    f"'{self.target.name}' may only write to {self.target.database}, and this writes {table}: "
                    "name it by ${TARGET_DB}"
                )
                self.problems.append(file.value_place(("workflow", "id")).problem(message))
