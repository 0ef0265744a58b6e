"""Comet (Apache DataFusion), which executes what it can of Spark's plans in native code: for large data.

It is a jar of 99 MB, fetched when a run first wants it. What it can't execute falls back to Spark, each operator by
itself.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.home import subfolder
from dataflow.report import Report
from dataflow.spark import jars
from dataflow.spark.jars import COMET

if TYPE_CHECKING:
    from dataflow.spark.java import Java
    from dataflow.workflow.project import Environment

_GIB = 1024**3
_LEAST_MEMORY = 4 * _GIB
_LEAST_GLIBC = (2, 30)
"""What its native library was built against, by the symbols that it asks for."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container says how much memory it may have: the two versions of cgroups."""

_MOST_OFF_HEAP = 8
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "aarch64", "arm64": "aarch64"}
_LIBRARY = "libcomet.so"
_SHUFFLE = "org.apache.spark.sql.comet.execution.shuffle.CometShuffleManager"
_PLUGIN = "org.apache.spark.CometPlugin"

SWITCHED_OFF: Mapping[str, str] = {
    "spark.comet.write.iceberg.enabled": "files that it writes were not proven to have the statistics of Iceberg's own",
    "spark.comet.write.parquet.enabled": "as for Iceberg's files",
}
"""What of Comet stays off, each with the reason; `docs/comet.md` shows them."""

_ON = {"spark.comet.enabled", "spark.comet.exec.enabled", "spark.comet.scan.icebergNative.enabled"}

_FELL_BACK = re.compile(r"^[^\w]*(\w+).*\[COMET: (.*)\]\s*$")
_COVERAGE = re.compile(r"Comet accelerated (\d+) out of (\d+) eligible operators")


@dataclass(frozen=True)
class Acceleration:
    """Whether Comet is at work.

    Attributes:
        on: Whether it is.
        why: Why, or why not, as the end of a sentence.
        required: Whether the environment wants it by name: a line says why it is off, and without its jar nothing runs.
    """

    on: bool
    why: str
    required: bool = False

    @property
    def text(self) -> str:
        """What people read."""
        return f"{'Comet' if self.on else 'none'}: {self.why}"

    def recorded(self, executed: Executed) -> dict[str, Any]:
        """Return what a run records of it."""
        return {"name": "comet" if self.on else None, "why": self.why, **(executed.as_dict() if self.on else {})}


NONE = Acceleration(False, "not asked for")


@dataclass
class Executed:
    """What Comet executed of some queries.

    Attributes:
        native: How many operators it executed.
        operators: How many it might have executed.
        fell_back: How often an operator was left to Spark, by its name and the reason.
    """

    native: int = 0
    operators: int = 0
    fell_back: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, text: str) -> None:
        """Add a query.

        Args:
            text: What Comet's extended explain says of its plan.
        """
        found = [it for it in map(_FELL_BACK.match, text.splitlines()) if it]
        covered = _COVERAGE.search(text)
        if covered is None or (covered[1] == "0" and not found):  # a command, which has nothing to execute natively
            return
        self.fell_back.update((it[1], it[2]) for it in found)
        self.native += int(covered[1])
        self.operators += int(covered[2])

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, what fell back most often first."""
        listed = sorted(self.fell_back.items(), key=lambda it: (-it[1], it[0]))
        fell_back = [{"operator": name, "reason": why, "times": times} for (name, why), times in listed]
        return {"native": self.native, "operators": self.operators, "fell_back": fell_back}


def hindrance(environment: Environment) -> str | None:
    """Return why Comet can't be at work in an environment on this machine; None where it can."""
    master = environment.spark.get("spark.master", "local[*]")
    shuffle = environment.spark.get("spark.shuffle.manager", _SHUFFLE)
    total = memory()
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES:
        return f"it runs on Linux alone, on x86-64 and ARM, and this is {platform.system()} on {platform.machine()}"
    if why := _lacking_library():
        return why
    if re.fullmatch(r"local(\[.*\])?", master) is None:
        return f"it is tried with a local master alone, and spark.master is {master}"
    if shuffle != _SHUFFLE:
        return f"it needs its own shuffle manager, and spark.shuffle.manager is {shuffle}"
    if total is not None and total < _LEAST_MEMORY:
        return f"it needs {_LEAST_MEMORY // _GIB} GiB of memory, and this machine has {total / _GIB:.1f}"
    return None


def _lacking_library() -> str | None:
    name, version = platform.libc_ver()
    if name != "glibc":
        return "its native library needs glibc, which this system does not have"
    least = ".".join(map(str, _LEAST_GLIBC))
    old = tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _LEAST_GLIBC
    return f"its native library needs glibc {least} or later, and this system has {version}" if old else None


def lacking() -> str | None:
    """Return why its jar can't be fetched, where a folder is given for jars; None where it is here, or can be."""
    return f"DATAFLOW_JARS has no {COMET.file_name}" if os.environ.get("DATAFLOW_JARS") and not is_fetched() else None


def is_fetched() -> bool:
    """Return whether its jar is here."""
    return (jars.folder() / COMET.file_name).is_file()


def ready(wanted: Acceleration, java: Java, environment: Environment, report: Report) -> Acceleration:
    """Fetch what is missing of Comet, where it is on; where that fails and it need not be, it is off.

    Raises:
        DataflowError: It can't be had, and the environment wants it by name.
    """
    if not wanted.on:
        if wanted.required:
            report(f"without Comet: {wanted.why}")
        return wanted
    try:
        jars.ensure(java, environment.spark, report, [COMET])
        _unpack_library()
    except (DataflowError, OSError, zipfile.BadZipFile) as error:
        if wanted.required:
            raise
        report(f"without Comet: {error}")
        return replace(wanted, on=False, why=f"it can't be had: {error}")
    return wanted


def comet_settings(class_path: str) -> dict[str, str]:
    """Return the settings with which Comet is at work, beside those of one machine.

    Args:
        class_path: The class path without it.
    """
    total = memory()
    off_heap = min(_MOST_OFF_HEAP, max(1, total // 4 // _GIB)) if total else 2
    return {
        "spark.driver.extraClassPath": os.pathsep.join([class_path, str(jars.folder() / COMET.file_name)]),
        "spark.driver.extraLibraryPath": str(_library_folder()),
        "spark.plugins": _PLUGIN,
        "spark.shuffle.manager": _SHUFFLE,
        "spark.memory.offHeap.enabled": "true",
        "spark.memory.offHeap.size": f"{off_heap}g",
        **dict.fromkeys(sorted(_ON), "true"),
        **dict.fromkeys(SWITCHED_OFF, "false"),
    }


def memory() -> int | None:
    """Return the memory that this machine has, or this container may have, in bytes; None where nothing says so."""
    found = [_limit(Path(file)) for file in _LIMITS]
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min((it for it in found if it is not None), default=None)


def _limit(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # `max`, where there is none
        return None


def _library_folder() -> Path:
    return subfolder("native") / f"comet-{COMET.version}-{COMET.sha256[:12]}"


def _unpack_library() -> None:
    """Unpack the native library once: Comet would do it at each start, 145 MB into the folder for temporary files."""
    entry = f"org/apache/comet/linux/{_ARCHITECTURES[platform.machine()]}/{_LIBRARY}"
    target = _library_folder() / _LIBRARY
    if target.exists():  # put there by a rename
        return
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with (
        zipfile.ZipFile(jars.folder() / COMET.file_name) as jar,
        tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as work,
    ):
        made = Path(work) / _LIBRARY
        with jar.open(entry) as packed, made.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
        made.replace(target)
