"""Jars by Gradle and Maven."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.assets.builders.base import Artifact, BuildContext, failed
from dataflow.build.gradle_maven import MAVEN, TOOLS, Tool, command_of, environ, find_tool, version_of
from dataflow.errors import DataflowError, display_path
from dataflow.process import CollectedOutput, run_process

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset
    from dataflow.assets.inputs import Inputs

_REPRODUCIBLE = """\
allprojects {
    tasks.withType(AbstractArchiveTask) {
        preserveFileTimestamps = false
        reproducibleFileOrder = true
    }
}
"""

_LEFT_OUT = re.compile(r"(?:^original-.*|.*-(?:sources|javadoc|tests|test-sources|plain))\.jar")
_ERROR = re.compile(r"^\[ERROR\] \S|\.(?:java|scala|kt):\d+: error: ")  # Maven's, and javac's through Gradle
_WHOLE = re.compile(r".*-(?:all|assembly|jar-with-dependencies|shaded|uber|fat)\.jar")


def tool_version(asset: Asset) -> str:
    """Return the version of the tool that builds an asset; a wrapper's is pinned by a file that is among the inputs.

    Raises:
        DataflowError: The tool is missing.
    """
    tool = TOOLS[asset.builder]
    program = find_tool(tool, asset.folder, asset.root)
    return "wrapper" if program.name == tool.wrapper else version_of(tool, program)


def build_jar(asset: Asset, inputs: Inputs, context: BuildContext) -> Artifact:
    """Build the jar of a Gradle or Maven project, in a copy of its files."""
    tool = TOOLS[asset.builder]
    context.report(f"building {display_path(asset.folder)} with {tool.name} …")
    root = context.work / "sources"
    inputs.copy_to(root)
    folder = root / asset.folder.relative_to(asset.root)
    program = find_tool(tool, folder, root)
    output = CollectedOutput(context.output)
    command = [*command_of(tool, program), *_arguments(tool, folder, root, context.work)]
    cwd = root if tool is MAVEN else folder
    code = run_process(command, cwd=cwd, env=environ(), output=output, stopped=context.stopped)
    if code != 0:
        raise failed(asset, errors([line.replace(str(root), display_path(asset.root)) for line in output.lines]))
    return Artifact(_jar(asset, folder / tool.made))


def _arguments(tool: Tool, folder: Path, root: Path, work: Path) -> list[str]:
    if tool is MAVEN:
        part = [] if folder == root else ["-pl", folder.relative_to(root).as_posix(), "-am"]
        return ["-Dmaven.test.skip=true", "-Dproject.build.outputTimestamp=1980-01-02T00:00:00Z", *part, "package"]
    script = work / "reproducible.gradle"
    script.write_text(_REPRODUCIBLE, encoding="utf-8")
    return ["--quiet", "--init-script", str(script), "assemble"]


def _jar(asset: Asset, folder: Path) -> Path:
    found = [it for it in sorted(folder.glob("*.jar")) if not _LEFT_OUT.fullmatch(it.name)]
    whole = [it for it in found if _WHOLE.fullmatch(it.name)]
    made = whole or found
    if len(made) == 1:
        return made[0]
    names = ", ".join(it.name for it in made) or "no jar"
    raise DataflowError(
        f"{display_path(asset.path)} was built, but made {names} in {folder.parent.name}/{folder.name}",
        "one jar can be deployed: name the one with all that it needs *-all.jar",
        permanent=True,
    )


def errors(lines: list[str]) -> list[str]:
    """Return what a tool calls errors, without its advice; all that it printed where it calls nothing an error."""
    marked = [line.removeprefix("[ERROR] ") for line in lines if _ERROR.search(line) and "[Help 1]" not in line]
    found = [
        line for line in dict.fromkeys(marked) if not line.startswith(("Re-run Maven", "To see the full", "For more"))
    ]
    if found or "* What went wrong:" not in lines:
        return found or lines
    return lines[lines.index("* What went wrong:") + 1 : lines.index("* Try:") if "* Try:" in lines else None]
