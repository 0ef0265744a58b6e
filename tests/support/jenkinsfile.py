"""A Jenkinsfile, read by Groovy's own compiler."""

from __future__ import annotations

import base64
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from dataflow.spark import jars
from dataflow.spark.java import find_java

GROOVY = jars.PinnedJar(
    "org.apache.groovy",
    "groovy",
    "4.0.33",
    7_717_996,
    "5240a9151289115e4d447d6b6d4cb9ac8a9fc6374e079714dfeeffda42323be8",
    "Groovy",
)


@dataclass
class Stage:
    """What a stage of a pipeline says: when it runs, which credentials it has, and the scripts that it runs."""

    name: str
    when: str = ""
    credentials: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)


def stages(file: Path) -> dict[str, Stage]:
    """Return the stages of a Jenkinsfile by name; one that is not Groovy is a failure."""
    java = find_java()
    (groovy,) = jars.ensure(java, {}, wanted=(GROOVY,))
    program = [java.home / "bin" / "java", "-XX:TieredStopAtLevel=1", "-cp", groovy, "groovy.ui.GroovyMain"]
    command = [*program, Path(__file__).with_suffix(".groovy"), file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Stage] = {}
    for line in done.stdout.splitlines():
        kind, text = line.split()[0], base64.b64decode(line.partition(" ")[2]).decode()
        if kind == "stage":
            stage = found.setdefault(text, Stage(text))
        elif kind == "when":
            stage.when = textwrap.dedent(text)
        else:
            (stage.credentials if kind == "credential" else stage.scripts).append(text)
    return found
