"""The rows that a script in Python writes, by Sail: its data frames are written as SQL, and judged as queries are.

The script has PySpark's own client; nothing of what it asks reaches the server as it is, but settings that it reads.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from dataflow.sail.insert import Insert
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.plan_text import PlanText
from dataflow.sail.server import SailError
from dataflow.testing.sail_python import hand_over, query_of_command, run_python
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from dataflow.preview.target import PreviewedWrite
    from dataflow.sail.session import SailSession
    from dataflow.sail.target import Target
    from dataflow.workflow.resolved import DeclaredScript

_UNCHANGED = ("persist", "unpersist")
_OTHERS = ("to_pandas", "to_table_as_iterator", "execute_command_as_iterator", "add_artifacts", "same_semantics")
_BY_NAME = Insert((), overwrites=True, query="", by_name=True)


def rows_of_script(session: SailSession, script: DeclaredScript, write: PreviewedWrite, target: Target) -> pa.Table:
    """Run a script, and return the rows that it would bring into its table.

    Raises:
        SparkDecides: It is not known whether Sail answers as Spark does.
        SailError: Sail fails.
        DataflowError: It has no `main`.
    """
    run = _Run(session, write, target)
    run_python(session.sail, script.path, script.params, run.take_over)
    if run.refused is not None:  # whatever the script has made of that
        raise run.refused
    if run.brought is None:
        raise SparkDecides(f"the script writes nothing into {write.table}")
    return run.brought


class _Run:
    """What a script asks of its client, answered by a session of judged queries."""

    def __init__(self, session: SailSession, write: PreviewedWrite, target: Target) -> None:
        self.brought: pa.Table | None = None
        self.refused: SparkDecides | SailError | None = None
        self._session, self._write, self._target = session, write, target
        self._text = PlanText(session.columns_of, self._hold)
        self._views = itertools.count(1)

    def take_over(self, client: Any) -> None:
        """Answer in place of a client."""
        client.execute_command = self._noting(self._execute)
        client.to_table = self._noting(self._table)
        client.schema = self._noting(self._schema)
        client._analyze = self._noting(self._analyze)
        client.config = self._noting(self._only_reading(client.config))
        for name in (
            "to_pandas",
            "to_table_as_iterator",
            "execute_command_as_iterator",
            "add_artifacts",
            "same_semantics",
        ):
            setattr(client, name, self._noting(_refusing(name)))

    def _noting(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        """Remember a refusal: a script may catch it and go on without the rows."""

        def noted(*args: Any, **kwargs: Any) -> Any:
            try:
                return answer(*args, **kwargs)
            except (SparkDecides, SailError) as reason:
                self.refused = self.refused or reason
                raise

        return noted

    def _execute(self, command: Any, *_: Any, **__: Any) -> tuple[None, dict[str, Any], None]:
        kind = command.WhichOneof("command_type")
        if kind == "write_operation_v2":
            hand_over(command.write_operation_v2, self._bring)
        elif kind == "sql_command":
            query_of_command(command.sql_command)
        elif kind == "create_dataframe_view" and not command.create_dataframe_view.is_global:
            view = command.create_dataframe_view
            self._session.hold(view.name, self._rows(view.input))
        else:
            raise SparkDecides(f"{str(kind).replace('_', ' ')} is Spark's alone")
        return None, {}, None

    def _table(self, plan: Any, *_: Any) -> tuple[pa.Table, None, None]:
        return self._rows(plan.root), None, None

    def _schema(self, plan: Any) -> Any:
        from pyspark.sql.pandas.types import from_arrow_schema

        return from_arrow_schema(self._rows(plan.root).schema)

    def _analyze(self, method: str, **_: Any) -> None:
        if method not in _UNCHANGED:
            raise SparkDecides(f"{method.replace('_', ' ')} of a data frame is Spark's alone")

    def _only_reading(self, config: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def read(operation: Any) -> Any:
            if operation.WhichOneof("op_type") in ("set", "unset"):
                raise SparkDecides("the script changes settings of its session")
            return config(operation)

        return read

    def _hold(self, query: str) -> str:
        name = f"dataflow_sql_{next(self._views)}"
        self._session.hold(name, self._session.sql(query.strip().removesuffix(";")).toArrow())
        return name

    def _rows(self, relation: Any) -> pa.Table:
        query, names = self._text.query(relation)
        return self._session.sql(query).toArrow().rename_columns(names)

    def _bring(self, table: str, relation: Any, mode: str, _: Any) -> None:
        """Bring rows in, as a run would have them on a partition that it makes anew."""
        catalog = self._write.workflow.environment.catalog_name
        if table_names.joined(table_names.without_catalog(table, catalog)) != self._write.table:
            raise SparkDecides(f"the script writes {table}")
        rows = self._target.brought(_BY_NAME, self._rows(relation), {})
        if self.brought is None:
            self.brought = rows
        elif mode == "overwrite":
            raise SparkDecides("the script overwrites what it has written")
        else:
            self.brought = self._target.after(self.brought, rows, overwrites=mode == "overwrite_partitions")


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise SparkDecides(f"{name.replace('_', ' ')} of a script in Python is Spark's alone")

    return refuse
