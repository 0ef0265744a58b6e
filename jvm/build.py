"""Makes `src/dataflow/spark/dataflow-guard.jar` of the Scala sources beside this file.

`python -m jvm.build` writes it, `--check` compares instead: the same sources make the same bytes on every machine,
with the Scala compiler that Spark brings along, so that the jar in the repository can be held to what stands here.
A Java that runs Spark is enough; users need neither this nor a compiler.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from dataflow.spark import jars
from dataflow.spark.config import GUARD_JAR
from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home

SOURCES = Path(__file__).parent / "src"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OPTIONS = ("-release", "17", "-deprecation", "-feature", "-Xlint:unused", "-Werror")


def build(target: Path) -> None:
    """Compile the sources and write the jar.

    Args:
        target: The file to write.

    Raises:
        subprocess.CalledProcessError: The compiler refused them; it said why.
    """
    java = find_java()
    iceberg = jars.ensure(java, {}, print, [jars.ICEBERG])
    bundled = sorted((spark_home() / "jars").glob("*.jar"))
    compiler = [jar for jar in bundled if jar.name.startswith(("scala-compiler", "scala-reflect", "scala-library"))]
    with tempfile.TemporaryDirectory() as folder:
        command = [str(java.executable), "-cp", os.pathsep.join(map(str, compiler)), "scala.tools.nsc.Main"]
        command += [*_OPTIONS, "-d", folder, "-cp", os.pathsep.join(map(str, [*iceberg, *bundled]))]
        sources = sorted(SOURCES.rglob("*.scala"))
        # From the folder of the sources: the names that classes carry are then the same everywhere.
        subprocess.run([*command, *(str(it.relative_to(SOURCES)) for it in sources)], cwd=SOURCES, check=True)
        _write_jar(Path(folder), target)


def _write_jar(classes: Path, target: Path) -> None:
    """Write a jar whose bytes depend on the classes alone: neither on times nor on a compression library."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as jar:
        _add(jar, "META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n")
        for file in sorted(classes.rglob("*.class"), key=lambda it: it.relative_to(classes).as_posix()):
            _add(jar, file.relative_to(classes).as_posix(), file.read_bytes())


def _add(jar: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    jar.writestr(entry, content)


def main() -> None:
    """Write the jar, or with `--check` fail where it is not what the sources make."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / GUARD_JAR.name
        build(made)
        if not check:
            GUARD_JAR.write_bytes(made.read_bytes())
        elif not GUARD_JAR.exists() or made.read_bytes() != GUARD_JAR.read_bytes():
            sys.exit(f"{GUARD_JAR.name} is not what its sources make: run `python -m jvm.build` and commit it")


if __name__ == "__main__":
    main()
