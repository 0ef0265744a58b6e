"""Sail's server within this process, and the one client that it has.

The server is a few threads of this process, so that it ends with the process however that ends. Its client speaks
Spark Connect's protocol itself: PySpark's takes a second to load, and at its end waits ten minutes for a server that
has gone.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from dataflow.errors import DataflowError, first_line
from dataflow.tables.quoting import column_name

if TYPE_CHECKING:
    import pyarrow as pa

    from dataflow.sail.tables import PinnedTable

_NEEDED = ("pysail", "grpc", "google.rpc")
_QUIET = {"RUST_LOG": "off"}  # else it tells its own story on standard error
_UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

_USER = "dataflow"
_MESSAGE = 16_000_000  # bytes of rows in one


class SailError(DataflowError):
    """Sail can't answer, for whatever reason: Spark may."""


def missing() -> str | None:
    """Return the first package that Sail needs and that is not installed; None where all are."""
    for name in _NEEDED:
        try:
            if find_spec(name) is None:
                return name
        except ImportError:  # the package that it is a part of
            return name
    return None


def why_missing() -> str | None:
    """Return in words that Sail is not installed, and for want of what; None where it is."""
    name = missing()
    return None if name is None else f"Sail is not installed here: {name} is missing"


def start_and_stop() -> None:
    """Start a server, ask it something, and stop it.

    Raises:
        SailError: It does not work here.
    """
    with Sail() as sail:
        sail.query("SELECT 1 AS one")


class Sail:
    """A server that listens on this machine alone while the block runs."""

    def __init__(self, *, threads: int | None = None, address: str | None = None) -> None:
        """Prepare it; nothing is started yet.

        Args:
            threads: Among how many threads a query is divided; as many as there are processors when omitted.
            address: Where a server of another process listens, to have a session of one's own there.
        """
        self._server: Any = None
        self._address = address
        self._settings = {} if threads is None else {"SAIL_EXECUTION__DEFAULT_PARALLELISM": str(threads)}
        self._session = str(uuid.uuid4())

    def __enter__(self) -> Sail:
        try:
            with _set(_QUIET | self._settings):
                self._start()
        except Exception as error:  # its own kinds, and those of a machine that allows no sockets
            raise SailError(f"Sail does not start: {first_line(error)}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            return  # a stop may have come while gRPC held its lock, which closing waits for; the process ends both
        self._channel.close()
        if self._server is not None:
            self._server.stop()

    def query(self, sql: str, limit: int | None = None) -> pa.Table:
        """Return the rows of a query.

        Args:
            sql: The query.
            limit: How many rows to return at most.

        Raises:
            SailError: It failed, or Sail does not know how.
        """
        import pyspark.sql.connect.proto as messages

        relation = messages.Relation(common=messages.RelationCommon(plan_id=0), sql=messages.SQL(query=sql))
        if limit is not None:
            cut = messages.Limit(input=relation, limit=limit)
            relation = messages.Relation(common=messages.RelationCommon(plan_id=1), limit=cut)
        found = self._execute(messages.Plan(root=relation))
        if found is None:
            raise SailError("Sail returns no rows, and no columns")
        return found

    def show(self, name: str, table: PinnedTable) -> None:
        """Let queries read a state of an Iceberg table under a name, its columns in their order.

        Sail by itself puts columns by which the table is partitioned behind the others.

        Raises:
            SailError: Sail can't read it.
        """
        import pyspark.sql.connect.proto as messages

        self._view(f"{name}_files", self._read("iceberg", table.location, table.options()))
        columns = ", ".join(map(column_name, table.schema))
        self._view(
            name,
            messages.Relation(
                common=messages.RelationCommon(plan_id=0), sql=messages.SQL(query=f"SELECT {columns} FROM {name}_files")
            ),
        )

    def show_parquet(self, name: str, file: str) -> None:
        """Let queries read a Parquet file under a name.

        Raises:
            SailError: Sail can't read it.
        """
        self._view(name, self._read("parquet", file, {}))

    def show_rows(self, name: str, rows: pa.Table) -> None:
        """Let queries read rows under a name.

        Raises:
            SailError: Sail can't take them.
        """
        if not rows.num_rows:  # Sail takes the columns of no row from a text, which has its own words for types
            import pyarrow as pa

            nothing = [pa.nulls(1, field.type) for field in rows.schema]
            self.show_rows(f"{name}_null", pa.Table.from_arrays(nothing, schema=rows.schema.remove_metadata()))
            self._show_query(name, f"SELECT * FROM {name}_null WHERE false")
            return
        parts = []
        for number, piece in enumerate(_pieces(rows)):
            parts.append(f"{name}_{number}")
            self._view(parts[-1], _local(piece))
        self._show_query(name, " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts))

    def _show_query(self, name: str, query: str) -> None:
        import pyspark.sql.connect.proto as messages

        relation = messages.Relation(common=messages.RelationCommon(plan_id=0), sql=messages.SQL(query=query))
        self._view(name, relation)

    @staticmethod
    def _read(kind: str, place: str, options: Mapping[str, str]) -> Any:
        import pyspark.sql.connect.proto as messages

        source = messages.Read.DataSource(format=kind, options=options, paths=[place])
        return messages.Relation(common=messages.RelationCommon(plan_id=0), read=messages.Read(data_source=source))

    def _view(self, name: str, relation: Any) -> None:
        import pyspark.sql.connect.proto as messages

        command = messages.CreateDataFrameViewCommand(input=relation, name=name, is_global=False, replace=True)
        self._execute(messages.Plan(command=messages.Command(create_dataframe_view=command)))

    def _start(self) -> None:
        import grpc
        import pyspark.sql.connect.proto as messages
        from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub

        self._channel = grpc.insecure_channel(self.address, options=_UNLIMITED)
        self._stub = cast("Any", SparkConnectServiceStub)(self._channel)
        pair = messages.KeyValue(key="spark.sql.session.timeZone", value="UTC")
        operation = messages.ConfigRequest.Operation(set=messages.ConfigRequest.Set(pairs=[pair]))
        self._stub.Config(
            messages.ConfigRequest(session_id=self._session, user_context=self._user(), operation=operation)
        )

    @property
    def connection(self) -> str:
        """What PySpark's own client connects to for the same session."""
        return f"sc://{self.address}/;user_id={_USER};session_id={self._session}"

    def rows_of(self, relation: Any) -> pa.Table:
        """Return the rows of a plan, as PySpark's own client sends it.

        Raises:
            SailError: It failed.
        """
        import pyspark.sql.connect.proto as messages

        found = self._execute(messages.Plan(root=relation))
        if found is None:
            raise SailError("Sail returns no rows, and no columns")
        return found

    def show_view(self, name: str, view: str) -> None:
        """Let queries read a view under another name as well."""
        self._show_query(name, f"SELECT * FROM {view}")

    @property
    def address(self) -> str:
        """Where the server listens; it is started by the first question."""
        if self._address is None:
            from pysail.spark import SparkConnectServer

            self._server = SparkConnectServer("127.0.0.1", 0)
            self._server.start(background=True)
            self._address = ":".join(map(str, self._server.listening_address))
        return self._address

    @staticmethod
    def _user() -> Any:
        import pyspark.sql.connect.proto as messages

        return messages.UserContext(user_id=_USER)

    def _execute(self, plan: Any) -> pa.Table | None:
        import grpc
        import pyarrow as pa
        import pyspark.sql.connect.proto as messages

        request = messages.ExecutePlanRequest(
            session_id=self._session,
            user_context=self._user(),
            plan=plan,
            client_type="dataflow",
            operation_id=str(uuid.uuid4()),
        )
        tables = []
        try:
            for answer in self._stub.ExecutePlan(request):
                if answer.HasField("arrow_batch"):
                    tables.append(pa.ipc.open_stream(answer.arrow_batch.data).read_all())
        except grpc.RpcError as error:
            raise SailError(f"Sail fails: {str(error.details()).strip().partition(chr(10))[0][:90]}") from error
        return pa.concat_tables(tables) if tables else None


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield rows in parts that fit into a message."""
    size = max(1, rows.num_rows * _MESSAGE // max(rows.nbytes, 1))
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size)


def _local(rows: pa.Table) -> Any:
    import pyarrow as pa
    import pyspark.sql.connect.proto as messages

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    relation = messages.LocalRelation(data=sink.getvalue().to_pybytes())
    return messages.Relation(common=messages.RelationCommon(plan_id=0), local_relation=relation)


@contextlib.contextmanager
def _set(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the server reads them, unless the user has set them."""
    mine = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            os.environ.pop(name, None)
