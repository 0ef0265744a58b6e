"""Gradle and Maven: the project's own wrapper where there is one, else the program on the PATH."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.files import write_file
from dataflow.home import subfolder
from dataflow.process import capture
from dataflow.spark import jars
from dataflow.spark.java import find_java

SOURCE_DATE_EPOCH = "315619200"
"""1980-01-02, the first day that a zip file knows everywhere: builds that ask for the time get the same one."""


@dataclass(frozen=True)
class Tool:
    """A build tool for the JVM.

    Attributes:
        name: The program.
        wrapper: The script that projects bring along.
        package: What Debian calls it.
        version: What its version stands behind.
        made: Where its jars land.
        reports: Where the reports of its tests land.
    """

    name: str
    wrapper: str
    package: str
    version: re.Pattern[str]
    made: str
    reports: str


GRADLE = Tool("gradle", "gradlew", "gradle", re.compile(r"^Gradle (\S+)", re.M), "build/libs", "build/test-results")
MAVEN = Tool("mvn", "mvnw", "maven", re.compile(r"^Apache Maven (\S+)", re.M), "target", "target/surefire-reports")
TOOLS: Mapping[str, Tool] = {"gradle": GRADLE, "maven": MAVEN}
"""By the name of what they build."""


def find_tool(tool: Tool, folder: Path, root: Path) -> Path:
    """Return the program that builds in a folder.

    Args:
        tool: Which.
        folder: Where it will run.
        root: Where the build begins: a wrapper may lie there or in between.

    Raises:
        DataflowError: There is neither a wrapper nor a program on the PATH.
    """
    above = [folder, *(it for it in folder.parents if it.is_relative_to(root))]
    if wrapper := next((it / tool.wrapper for it in above if (it / tool.wrapper).is_file()), None):
        return wrapper
    if found := shutil.which(tool.name):
        return Path(found)
    raise DataflowError(
        f"{display_path(folder)} has no {tool.wrapper}, and there is no {tool.name} on the PATH",
        f"sudo apt-get install {tool.package}; or have the project bring its wrapper",
        permanent=True,
    )


def command_of(tool: Tool, program: Path) -> list[str]:
    """Return how a tool is started for a log rather than a person, with nothing left running."""
    start = [str(program)] if os.access(program, os.X_OK) else ["sh", str(program)]
    quiet = ["--no-daemon", "--console=plain"] if tool is GRADLE else ["--batch-mode", "--no-transfer-progress"]
    return [*start, *quiet]


def environ() -> dict[str, str]:
    """Return the environment that a JVM build runs in: our Java, the user's proxy, no colours."""
    env = {**os.environ, "JAVA_HOME": str(find_java().home), "TERM": "dumb", "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH}
    if proxy := jars.proxy_options(os.environ):
        env["JAVA_TOOL_OPTIONS"] = " ".join([env.get("JAVA_TOOL_OPTIONS", ""), *proxy]).strip()
    return env


def version_of(tool: Tool, program: Path) -> str:
    """Return a program's version: asked once, as a JVM's start takes a second, and true while the file stays.

    Raises:
        DataflowError: It does not say.
    """
    real = program.resolve()
    there = real.stat()
    key = f"{real}:{there.st_size}:{there.st_mtime_ns}"
    file = subfolder("toolchains") / f"{tool.name}.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["program"] == key:
            return str(known["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    answer = capture([str(program), "--version"], env=environ())
    found = tool.version.search(re.sub(r"\x1b\[[0-9;]*m", "", answer.text))
    if found is None:
        raise DataflowError(f"{program} --version names no version: {(answer.text + answer.error_text).strip()}")
    write_file(file, json.dumps({"program": key, "version": found[1]}))
    return found[1]
