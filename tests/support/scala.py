"""Jars made of Scala sources by the compiler that Spark brings along."""

from __future__ import annotations

import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home


def compiled(source: str, jar: Path) -> Path:
    """Compile a source against Spark, and write its classes into a jar."""
    bundled = sorted((spark_home() / "jars").glob("*.jar"))
    compiler = [it for it in bundled if it.name.startswith(("scala-compiler", "scala-reflect", "scala-library"))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Program.scala"
        file.write_text(source, encoding="utf-8")
        classes = Path(folder) / "classes"
        classes.mkdir()
        command = [str(find_java().executable), "-cp", os.pathsep.join(map(str, compiler)), "scala.tools.nsc.Main"]
        command += ["-release", "17", "-d", str(classes), "-cp", os.pathsep.join(map(str, bundled)), str(file)]
        subprocess.run(command, check=True, capture_output=True)
        with zipfile.ZipFile(jar, "w") as archive:
            for each in sorted(classes.rglob("*.class")):
                archive.write(each, each.relative_to(classes))
    return jar
