"""A table of many partitions and snapshots, and how long it takes to find the days that changed, without a JVM.

Only what a reader may need is written: the lists of snapshots that are merged into later ones are not there at all.
Run as a script, it prints the seconds of one look, from the metadata's file to the days.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

if __package__ in {None, ""}:  # each look is a process of its own
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Command, answer

PARTITIONS, SNAPSHOTS = 10_000, 5_000
MERGED = 100
"""After how many manifests a commit merges them, as Iceberg does."""

FIRST = dt.date(1999, 1, 1)


class TableFiles:
    """Writes the metadata of a table by day: first all its partitions, then a row of one more day's data per snapshot.

    Args:
        folder: Where to write.
        merging: Whether commits merge manifests; each keeps its own otherwise.
    """

    def __init__(self, folder: Path, *, merging: bool) -> None:
        from pyiceberg.io.pyarrow import PyArrowFileIO
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.transforms import DayTransform
        from pyiceberg.types import LongType, NestedField, TimestamptzType

        folder.mkdir(parents=True)
        self.folder, self.merging, self.io = folder, merging, PyArrowFileIO()
        self.schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "at", TimestamptzType()))
        self.spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), "at_day"))
        self.snapshots: list[dict[str, Any]] = []

    def write(self, partitions: int, snapshots: int) -> Path:
        """Write them, and return the metadata's file."""
        chunk = 1000
        starts = range(0, partitions, chunk)
        base = [self._manifest(f"base-{n}", 1, range(n, min(n + chunk, partitions)), ()) for n in starts]
        self._snapshot(1, base, partitions)
        own: list[Any] = []
        existing: list[tuple[int, int]] = []
        for number in range(2, snapshots + 2):
            day = (number * 7919) % partitions
            merges = self.merging and len(own) == MERGED
            if merges:
                own = []
            own.append(self._manifest(f"m-{number}", number, [day], existing[-MERGED:] if merges else ()))
            existing.append((number, day))
            is_read = number == snapshots + 1 or (self.merging and len(own) == MERGED)
            self._snapshot(number, [*base, *own], 1, is_read=is_read)
        return self._metadata()

    def _file(self, name: str, day: int) -> Any:
        from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
        from pyiceberg.typedef import Record

        found = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=f"{self.folder}/data/{name}-{day}.parquet",
            file_format=FileFormat.PARQUET,
            partition=Record((FIRST - dt.date(1970, 1, 1)).days + day),
            record_count=1000,
            file_size_in_bytes=1000,
            column_sizes={1: 1, 2: 1},
            value_counts={1: 1000, 2: 1000},
            null_value_counts={1: 0, 2: 0},
            nan_value_counts={},
            lower_bounds={1: b"\0" * 8, 2: b"\0" * 8},
            upper_bounds={1: b"\0" * 8, 2: b"\0" * 8},
            key_metadata=None,
            split_offsets=[4],
            equality_ids=None,
            sort_order_id=0,
        )
        found.spec_id = 0
        return found

    def _manifest(self, name: str, snapshot: int, days: Any, existing: Any) -> Any:
        from pyiceberg.manifest import ManifestEntry, ManifestEntryStatus, write_manifest

        def entry(status: ManifestEntryStatus, of: int, day: int) -> Any:
            return ManifestEntry.from_args(
                status=status,
                snapshot_id=of,
                sequence_number=of,
                file_sequence_number=of,
                data_file=self._file(name, day),
            )

        output = self.io.new_output(f"{self.folder}/{name}.avro")
        with write_manifest(2, self.spec, self.schema, output, snapshot, "zstd") as writer:
            for day in days:
                writer.add_entry(entry(ManifestEntryStatus.ADDED, snapshot, day))
            for of, day in existing:
                writer.existing(entry(ManifestEntryStatus.EXISTING, of, day))
        found = writer.to_manifest_file()
        found.sequence_number = found.min_sequence_number = snapshot
        return found

    def _snapshot(self, number: int, manifests: list[Any], files: int, *, is_read: bool = True) -> None:
        from pyiceberg.manifest import write_manifest_list

        path = f"{self.folder}/list-{number}.avro"
        if is_read:
            output = self.io.new_output(path)
            with write_manifest_list(2, output, number, number - 1 or None, number, "zstd") as writer:
                writer.add_manifests(manifests)
        self.snapshots.append(
            {
                "snapshot-id": number,
                "sequence-number": number,
                "timestamp-ms": 1_700_000_000_000 + number,
                "manifest-list": path,
                "summary": {"operation": "append", "added-data-files": str(files), "added-records": str(1000 * files)},
                "schema-id": 0,
                **({"parent-snapshot-id": number - 1} if number > 1 else {}),
            }
        )

    def _metadata(self) -> Path:
        from pyiceberg.table.metadata import new_table_metadata
        from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

        made = new_table_metadata(self.schema, self.spec, UNSORTED_SORT_ORDER, str(self.folder), {})
        plain = json.loads(made.model_dump_json())
        last = self.snapshots[-1]["snapshot-id"]
        plain |= {
            "snapshots": self.snapshots,
            "current-snapshot-id": last,
            "last-sequence-number": last,
            "refs": {"main": {"snapshot-id": last, "type": "branch"}},
            "snapshot-log": [
                {"snapshot-id": it["snapshot-id"], "timestamp-ms": it["timestamp-ms"]} for it in self.snapshots
            ],
        }
        path = self.folder / "v1.metadata.json"
        path.write_text(json.dumps(plain), encoding="utf-8")
        return path


def look(metadata: str, since: int) -> tuple[float, int]:
    """Return the seconds that it takes to find the days that changed since a snapshot, and how many there are."""
    from pyiceberg.table import StaticTable

    from dataflow.tables.changed_days.find import changed_days

    began = time.perf_counter()
    found = changed_days(StaticTable.from_metadata(metadata), since)
    if found.lost is not None:
        raise AssertionError(found.lost)
    return time.perf_counter() - began, len(found.days)


def measured(folder: Path, runs: int, report: Callable[[str], None]) -> Iterator[tuple[str, float, float | None]]:
    """Yield what was looked for, the median of the seconds, and what they should not exceed."""
    for merging in (False, True):
        kind = f"of manifests merged by {MERGED}" if merging else "with a manifest each"
        metadata = TableFiles(folder / kind.replace(" ", "-"), merging=merging).write(PARTITIONS, SNAPSHOTS)
        for number, target in ((SNAPSHOTS, 2.5), (100, 1.0), (0, None)):
            arguments = [str(Path(__file__).resolve()), str(metadata), str(SNAPSHOTS + 1 - number)]
            command = Command([[sys.executable, *arguments]])
            found = median(json.loads(answer(command))["seconds"] for _ in range(runs))
            report(f"  {number:,} snapshots since, {kind}: {found:.2f} s")
            yield f"{number:,} snapshots since the mark, {kind}", found, target


def main() -> None:
    """Print the seconds of one look, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("metadata")
    parser.add_argument("since", type=int)
    given = parser.parse_args()
    seconds, days = look(given.metadata, given.since)
    json.dump({"seconds": seconds, "days": days}, sys.stdout)


if __name__ == "__main__":
    main()
