"""`dataflow mock create` from a table of 50 million rows: how long it takes, and how much memory.

`python -m benchmarks mocks` measures it. Run as a script, it makes the table in the current Dataflow home.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if __package__ in {None, ""}:  # the table is made by a process of its own, whose memory ends with it
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Command, peak_megabytes, seconds

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "bench.playback"
ROWS = 50_000_000
_DAYS = 25
_ROWS_PER_DAY = ROWS // _DAYS
_COUNTRIES = "US IN BR GB DE JP FR MX KR CA IT ES AU ID TR PH PL AR NL CO TH ZA EG SE BE CH AT DK NO FI IE IS"
_GROUP = 250_000  # rows in a row group


@dataclass(frozen=True)
class Measured:
    """What one way to make a mock costs.

    Attributes:
        what: Which way.
        seconds: The median of its runs, from the start of the process to its end.
        megabytes: The most memory that it held.
        at_most: What both must not exceed; None where nothing is claimed.
    """

    what: str
    seconds: float
    megabytes: float
    at_most: tuple[float, float | None]


def measured(folder: Path, runs: int = 3, report: Callable[[str], None] = lambda _: None) -> list[Measured]:
    """Make the table below a folder, and measure the sample and the exact mock of it.

    Args:
        folder: Where the Dataflow home of the measurement is made; about 1 GB.
        runs: How often each is measured.
        report: Told of each step.
    """
    env = {"DATAFLOW_HOME": str(folder / "home"), "DATAFLOW_USER": "bench"}
    report(f"making {TABLE}: {ROWS:,} rows")
    seconds(Command([(sys.executable, str(Path(__file__).resolve()))], env))
    executable = str(Path(sys.executable).with_name("dataflow"))
    found = []
    for what, more, at_most in (("sample", (), (5.0, None)), ("exact", ("--exact",), (10.0, 2_500.0))):
        output = folder / f"{what}.yaml"
        options = ("--rows", "50", "--output", str(output), "--force", *more)
        command = Command([(executable, "mock", "create", TABLE, *options)], env)
        times = []
        for turn in range(runs):
            times.append(seconds(command))
            report(f"  {turn + 1}/{runs}  mock create, {what}: {times[-1]:.2f} s")
        peak = peak_megabytes(command)
        report(f"  mock create, {what}: {peak:,.0f} MB at most")
        found.append(Measured(f"mock create of {ROWS:,} rows, {what}", median(times), peak, at_most))
    return found


def make_table(days: int = _DAYS, rows_per_day: int = _ROWS_PER_DAY) -> None:
    """Make the table in the Dataflow home's own catalog: one file a day, of several row groups."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import DateType, DoubleType, IntegerType, LongType, NestedField, StringType, TimestamptzType

    from dataflow.tables.catalog import open_catalog, warehouse
    from dataflow.workflow.project import Environment

    schema = Schema(
        NestedField(1, "profile_id", LongType(), required=False),
        NestedField(2, "title_id", IntegerType(), required=False),
        NestedField(3, "country_code", StringType(), required=False),
        NestedField(4, "view_hours", DoubleType(), required=False),
        NestedField(5, "received_at", TimestamptzType(), required=False),
        NestedField(6, "date", DateType(), required=False),
    )
    catalog = open_catalog(Environment("sandbox"))
    namespace, _, name = TABLE.partition(".")
    catalog.create_namespace_if_not_exists(namespace)
    table = catalog.create_table(
        TABLE,
        schema,
        location=str(warehouse() / namespace / name),
        partition_spec=PartitionSpec(PartitionField(6, 1000, IdentityTransform(), "date")),
        properties={"write.parquet.row-group-limit": str(_GROUP)},
    )
    for day in _days(days, rows_per_day):
        table.append(day)


def _days(days: int, rows_per_day: int) -> Iterator[pa.Table]:
    """Make each day's rows by Arrow's own random numbers: skewed titles and hours, a few nulls and late rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = dt.date(2026, 1, 1)
    for n in range(days):
        draw = [pc.random(rows_per_day, initializer=100 * n + i) for i in range(5)]
        title = pc.cast(
            pc.exp(pc.multiply(draw[0], 9.9)), pa.int32(), safe=False
        )  # Zipf: the n-th has 1/n of the first one's
        title = pc.if_else(pc.less(draw[1], 0.01), pa.scalar(None, pa.int32()), title)
        country = pc.cast(pc.multiply(len(_COUNTRIES.split()), pc.power(draw[2], 2.0)), pa.int32(), safe=False)
        hours = pc.divide(pc.floor(pc.multiply(-3600.0, pc.ln(pc.subtract(1.0, draw[3])))), 3600.0)
        day = first + dt.timedelta(days=n)
        midnight = int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 1_000_000
        late = pc.if_else(pc.less(draw[1], 0.02), 2 * 86_400_000_000, 0)
        at = pc.add(pc.add(pc.cast(pc.multiply(draw[4], 86_399_000_000.0), pa.int64(), safe=False), midnight), late)
        yield pa.table(
            {
                "profile_id": pc.add(1_000_000, pc.cast(pc.multiply(draw[2], 12_000_000.0), pa.int64(), safe=False)),
                "title_id": title,
                "country_code": pa.array(_COUNTRIES.split()).take(country),
                "view_hours": hours,
                "received_at": at.cast(pa.timestamp("us", "UTC")),
                "date": pa.array([day] * rows_per_day, pa.date32()),
            }
        )


if __name__ == "__main__":
    make_table()
