"""Taking deployments down before somebody's eyes, as `destroy` and `sweep` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import confirm, err, out, progress, say
from dataflow.cli.output import Output, Result

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.destroy import DestroyPlan


def take_down(registry: Registry, planned: Sequence[DestroyPlan], output: Output, *, yes: bool) -> None:
    """List what is taken down, ask, and take it down."""
    from dataflow.deploy.destroy import destroy
    from dataflow.deploy.lineage_sync import sync_lineage

    found = [it for it in planned if not it.is_empty]
    if found:
        for it in found:
            _list(it)
        confirm("Take this down? Tables that are dropped are gone.", yes=yes)
        for it in found:
            destroy(registry, it, say)
    output.show(_TakenDown(found))
    sync_lineage(registry, *(it.settings.state for it in found), report=say, progress=progress)


def _list(planned: DestroyPlan) -> None:
    until = f" (expired {planned.expired:%Y-%m-%d %H:%M} UTC)" if planned.expired else ""
    err().print(f"{planned.environment}{until}")
    for id_ in planned.workflows:
        err().print(f"  workflow {id_}")
    for table in planned.tables:
        err().print(f"  table {table}")
    for table in planned.left:
        err().print(f"  left: {table}, which no package of it made", style="dim")


@dataclass(frozen=True)
class _TakenDown(Result):
    found: Sequence[DestroyPlan]

    def text(self) -> None:
        if self.found:
            out().print(f"taken down: {', '.join(it.environment for it in self.found)}")
        else:
            out().print("there is nothing to take down")

    def data(self) -> object:
        return [self._facts(it) for it in self.found]

    @staticmethod
    def _facts(it: DestroyPlan) -> dict[str, Any]:
        return {
            "environment": it.environment,
            "database": it.database,
            "workflows": list(it.workflows),
            "tables": list(it.tables),
            "left": list(it.left),
        }
