"""Scripts in Python on Sail: by PySpark's own client, whose writes are taken over and brought into the test's tables.

It needs pandas (the extra of that name); without it such scripts are Spark's.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dataflow.errors import DataflowError
from dataflow.jobs.spark.modules import script_module
from dataflow.sail.judgement import SparkDecides
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from dataflow.sail.server import Sail

Write = Callable[[str, Any, str, Any], None]
"""Takes a table, the plan of the rows, how they are written, and what makes the plan of the rows that stay."""

TakeOver = Callable[[Any], None]
"""Takes over what a client would do itself."""

_REMOTE = "SPARK_CONNECT_MODE_ENABLED"  # by which PySpark's functions know which client they are for
_NEEDED = ("pandas", "grpc_status", "zstandard")


def run_python(sail: Sail, script: Path, params: Mapping[str, str], take_over: TakeOver) -> None:
    """Run `main(args, spark)` of a script.

    Args:
        sail: The server.
        script: The script.
        params: Its parameters.
        take_over: Is given the client, before the script is.

    Raises:
        SparkDecides: It does what only Spark can, or fails.
        DataflowError: It has no `main`.
    """
    arguments = {name: resolve_secrets(value) for name, value in params.items()}
    with _connected(sail, take_over) as spark, script_module(script) as module:
        main = getattr(module, "main", None)
        if main is None:
            raise SparkDecides(f"{script.name} has no main")
        try:
            main(arguments, spark)
        except (DataflowError, SparkDecides):
            raise
        except Exception as error:  # whatever it is, Spark says it better
            raise SparkDecides(f"Sail fails in {script.name}: {type(error).__name__}") from error


@contextlib.contextmanager
def _connected(sail: Sail, take_over: TakeOver) -> Iterator[Any]:
    """Lend PySpark's own session on Sail, for as long as a block."""
    if name := next((it for it in _NEEDED if find_spec(it) is None), None):
        raise SparkDecides(f"scripts in Python need {name} to be run by Sail: pip install 'dataflow-recipes[pandas]'")
    before = os.environ.get(_REMOTE)
    os.environ[_REMOTE] = "1"
    try:
        from pyspark.sql.connect.session import SparkSession

        session: Any = SparkSession(connection=sail.connection)
        session.client.disable_reattachable_execute()
        take_over(session.client)
        try:
            yield session
        finally:
            # To stop it would end the test's session; when the process ends it would look for a server that has gone.
            atexit.unregister(session.client._cleanup_ml_cache)
            session.client._channel.close()
    finally:
        if before is None:
            os.environ.pop(_REMOTE, None)


def take_writes_over(client: Any, write: Write) -> None:
    """Have a client hand writes over, and refuse what changes anything else."""
    execute = client.execute_command

    def taken_over(command: Any, *args: Any, **kwargs: Any) -> Any:
        kind = command.WhichOneof("command_type")
        if kind == "write_operation_v2":
            hand_over(command.write_operation_v2, write)
            return None, {}, None
        if kind == "sql_command":
            query_of_command(command.sql_command)
        elif kind not in ("create_dataframe_view", "register_function"):
            raise SparkDecides(f"{kind.replace('_', ' ')} is Spark's alone")
        return execute(command, *args, **kwargs)

    client.execute_command = taken_over


def hand_over(operation: Any, write: Write) -> None:
    """Hand a `writeTo` over.

    Raises:
        SparkDecides: It is none that rows alone are written by.
    """
    import pyspark.sql.connect.proto as messages

    modes = {
        messages.WriteOperationV2.MODE_APPEND: "append",
        messages.WriteOperationV2.MODE_OVERWRITE: "overwrite",
        messages.WriteOperationV2.MODE_OVERWRITE_PARTITIONS: "overwrite_partitions",
    }
    mode = modes.get(operation.mode)
    if mode is None or operation.options or operation.table_properties:
        raise SparkDecides("such a write of a DataFrame is Spark's alone")

    def kept(table: str) -> Any:
        """Return the plan of the rows that an overwrite leaves: those of which its condition is not true."""
        read = messages.Relation(
            common=messages.RelationCommon(plan_id=0), sql=messages.SQL(query=f"SELECT * FROM {table}")
        )
        condition = _call("not", _call("coalesce", operation.overwrite_condition, _false()))
        return messages.Relation(
            common=messages.RelationCommon(plan_id=1), filter=messages.Filter(input=read, condition=condition)
        )

    write(operation.table_name, operation.input, mode, kept)


def _call(name: str, *arguments: Any) -> Any:
    import pyspark.sql.connect.proto as messages

    function = messages.Expression.UnresolvedFunction(function_name=name, arguments=arguments)
    return messages.Expression(unresolved_function=function)


def _false() -> Any:
    import pyspark.sql.connect.proto as messages

    return messages.Expression(literal=messages.Expression.Literal(boolean=False))


def query_of_command(command: Any) -> str:
    """Return the query of a `spark.sql`.

    Raises:
        SparkDecides: It is a statement, or several.
    """
    from dataflow.sail.insert import statements

    text = cast("str", command.input.sql.query if command.HasField("input") else command.sql)
    (statement, *others) = statements(text)
    if others or statement.words[0] not in ("SELECT", "WITH", "FROM", "VALUES"):
        raise SparkDecides(f"{statement.words[0]} in a script in Python is Spark's alone")
    return statement.text
