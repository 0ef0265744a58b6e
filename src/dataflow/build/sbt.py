"""Building Scala projects: by the PATH's sbt, else by its pinned launcher, and only when their sources changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.files import exclusive_lock, sha256_of, write_file
from dataflow.home import subfolder
from dataflow.process import CollectedOutput, run_process
from dataflow.report import Report, silent
from dataflow.spark import jars
from dataflow.spark.java import Java, find_java

_INPUTS = ("*.sbt", "**/*.sbt", "project/*.scala", "project/build.properties", "**/src/main/**/*", "**/lib/*.jar")
"""What a jar is made of; a change of anything else, such as a test, needs no new jar."""

_PLAIN = ("-Dsbt.supershell=false", "-Dsbt.color=false", "-Dsbt.server.autostart=false")
"""Output for a log, and no quarrel with an editor's sbt server for the same project."""

_STATE = "dataflow-build.json"
_PLACED = re.compile(r"^\[error\] (?P<file>/.+?\.(?:scala|java|sbt)):(?P<rest>\d+(?::\d+)?: .*)$")
_ERROR = re.compile(r"^\[error\] (?!\s*$|Total time|stack trace|Use '|\(.*Compilation failed)(.*)$")
_SHOWN = 5


def build(
    project: Path,
    java: Java,
    spark: Mapping[str, str],
    *,
    output: Callable[[str], None] = silent,
    report: Report = silent,
    stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Return a project's jar, after building it when what it is made of has changed.

    Args:
        project: The folder with the `build.sbt`.
        java: What to build with.
        spark: The environment's Spark settings, for a Maven mirror.
        output: Called with each line that sbt prints.
        report: Called with a line when it is built, and about a download.
        stopped: Called while it is built; once it returns True, sbt is ended.

    Raises:
        DataflowError: The build failed; the message names the files and lines that are wrong.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    with exclusive_lock(target / ".dataflow-build.lock", f"building {_name(project)}", report):
        inputs = digest_of_inputs(project)
        if (known := _known(target, inputs)) is not None:
            return known
        report(f"building {_name(project)} with sbt …")
        jar = _package(project, java, spark, output, report, stopped)
        state = {"inputs": inputs, "jar": os.path.relpath(jar, target), "sha256": sha256_of(jar)}
        write_file(target / _STATE, json.dumps(state, indent=2))
    return jar


def digest_of_inputs(project: Path) -> str:
    """Return a checksum of all that a project's jar is made of."""
    found = {path for pattern in _INPUTS for path in project.glob(pattern) if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(found):
        name = path.relative_to(project)
        if "target" not in _around_sources(name):
            digest.update(f"{name.as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _around_sources(name: Path) -> tuple[str, ...]:
    """Return the folders that a file lies in, without those of its sources, which may be called anything."""
    folders = name.parts[:-1]
    ends = (number for number in range(len(folders) - 1) if folders[number : number + 2] == ("src", "main"))
    return folders[: next(ends, len(folders))]


def run_sbt(
    project: Path,
    arguments: Sequence[str],
    output: Callable[[str], None],
    *,
    java: Java | None = None,
    spark: Mapping[str, str] | None = None,
    report: Report = silent,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run sbt in a project, and return its exit code.

    Args:
        project: The folder with the `build.sbt`.
        arguments: Its commands.
        output: Called with each line that it prints.
        java: What to run it with; found when omitted.
        spark: The environment's Spark settings, for a Maven mirror.
        report: Called with a line about a download.
        stopped: Called while it runs; once it returns True, sbt is ended.

    Raises:
        DataflowError: There is no Java, or the launcher can't be had.
    """
    java = java or find_java(report)
    command = [*sbt_command(java, spark or {}, report), *arguments]
    env = {**os.environ, "JAVA_HOME": str(java.home)}
    if proxy := jars.proxy_options(os.environ):
        env["JDK_JAVA_OPTIONS"] = " ".join([env.get("JDK_JAVA_OPTIONS", ""), *proxy]).strip()
    return run_process(command, cwd=project, env=env, output=output, stopped=stopped)


def sbt_command(java: Java, spark: Mapping[str, str], report: Report = silent) -> list[str]:
    """Return the command that starts sbt: the PATH's, else the pinned launcher, fetched on first use."""
    if found := shutil.which("sbt"):
        return [found, *_PLAIN]
    is_new = not (jars.folder() / jars.SBT.file_name).is_file()
    try:
        (launcher,) = jars.ensure(java, spark, report, [jars.SBT])
    except DataflowError as error:
        raise DataflowError(f"there is no sbt on the PATH, and {error}", f"install sbt; or: {error.hint}") from error
    if is_new:
        report(f"sbt is {launcher} from now on; by hand:  {_by_hand(launcher)}")
    return [str(java.executable), "-Xmx1g", "-Xss4m", *_PLAIN, *_mirror(spark), "-jar", str(launcher)]


def sbt_of_people() -> tuple[str, str]:
    """Return which sbt is used, by its path, and how people call it themselves."""
    if found := shutil.which("sbt"):
        return found, "sbt"
    launcher = jars.folder() / jars.SBT.file_name
    there = "which was fetched" if launcher.is_file() else "fetched on first use"
    return f"{launcher} ({there}, as there is no sbt on the PATH)", _by_hand(launcher)


def _by_hand(launcher: Path) -> str:
    """Return the command by which people start a launcher, with the Java and the mirror that we use."""
    program = "java"
    with contextlib.suppress(DataflowError):
        program = str(find_java().executable)
    return shlex.join([program, *_mirror({}), "-jar", str(launcher)])


def _mirror(spark: Mapping[str, str]) -> list[str]:
    """Point sbt at the Maven mirror that Spark's jars come from; an Ivy settings file it can't read."""
    address = jars.mirror(spark)
    if address is None or address.endswith(".xml"):
        return []
    file = subfolder("sbt") / "repositories"
    file.write_text(f"[repositories]\n  local\n  mirror: {address}\n", encoding="utf-8")
    return [f"-Dsbt.repository.config={file}", "-Dsbt.override.build.repos=true"]


def _package(
    project: Path,
    java: Java,
    spark: Mapping[str, str],
    output: Callable[[str], None],
    report: Report,
    stopped: Callable[[], bool],
) -> Path:
    collected = CollectedOutput(output)
    # `print` runs the task and prints what it made: the jar's path, whatever the project calls it.
    arguments = ["print Compile/packageBin"]
    code = run_sbt(project, arguments, collected, java=java, spark=spark, report=report, stopped=stopped)
    lines = collected.lines
    if code != 0:
        raise _failure(project, lines)
    made = [Path(line.strip()) for line in lines if line.strip().endswith(".jar") and Path(line.strip()).is_file()]
    if not made:
        raise DataflowError(f"sbt built {_name(project)}, but named no jar", "run `sbt package` to see why")
    return made[-1]


def _failure(project: Path, lines: Sequence[str]) -> DataflowError:
    placed = [found for line in lines if (found := _PLACED.match(line))]
    if placed:
        shown = [f"{display_path(Path(found['file']))}:{found['rest']}" for found in placed]
    else:
        shown = [found[1] for line in lines if (found := _ERROR.match(line))] or list(lines[-_SHOWN:])
    left = [f"… and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    listed = "".join(f"\n    {line}" for line in [*shown[:_SHOWN], *left])
    return DataflowError(f"{_name(project)} could not be built:{listed}", permanent=True)


def _name(project: Path) -> str:
    """Return what to call a project in a sentence, where `.` would read like its end."""
    return project.resolve().name if (shown := display_path(project)) == "." else shown


def _known(target: Path, inputs: str) -> Path | None:
    """Return the jar that was made of these inputs, if it is still there and unchanged."""
    try:
        state = json.loads((target / _STATE).read_text(encoding="utf-8"))
        jar = target / state["jar"]
        return jar if state["inputs"] == inputs and sha256_of(jar) == state["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
