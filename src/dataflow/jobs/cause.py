"""The cause of a failure in a few words: the SQL error with its line, the user's exception, never a Java stack."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from dataflow.errors import display_path

_PLACE = re.compile(r"line (\d+),? pos(?:ition)? (\d+)")
_TAIL = re.compile(
    r"(?:; line \d+ pos \d+|\s*\(line \d+, pos \d+\))?;?\s*(?:\n['+].*|\n\n?== SQL.*|\nJVM stacktrace.*)?$", re.S
)
_JAVA_CAUSE = re.compile(r"^Caused by: ([\w.$]+(?:Exception|Error)[^\n]*)", re.M)
_SQLSTATE = re.compile(r"\s*SQLSTATE: \w{5}")


def message_of(error: BaseException) -> str:
    """Say what an exception means in one or two lines, without plans, stacks and SQL states."""
    text = str(error)
    if _is_spark(error):
        text = _spark_text(error, text)
        return _SQLSTATE.sub("", text).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def is_mistake(error: BaseException) -> bool:
    """Say whether an error is a mistake in the text, which fails again however often it is tried."""
    return _is_spark(error) and type(error).__name__ in {"AnalysisException", "ParseException"}


def place_of(error: BaseException) -> tuple[int, int] | None:
    """Return line and column, both from 1, of the SQL text that Spark blames, or None."""
    if _is_spark(error) and (found := _PLACE.search(str(error))):
        return int(found[1]), int(found[2]) + ("position" not in found[0])
    return None


def user_frame(error: BaseException, folder: Path) -> traceback.FrameSummary | None:
    """Return the innermost frame of an exception that stands in the user's own files."""
    inside = str(folder.resolve())
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and str(Path(frame.filename).resolve()).startswith(inside)
    ]
    return frames[-1] if frames else None


def in_python(error: BaseException, script: Path) -> str:
    """Say where in the user's Python code an exception was raised, and what it says."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{display_path(Path(error.filename))}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frame = user_frame(error, script.parent)
    where = f"{display_path(Path(frame.filename))}:{frame.lineno} in {frame.name}(): " if frame else ""
    code = f"\n    {frame.line}" if frame and frame.line else ""
    return f"{where}{message_of(error)}{code}"


def _is_spark(error: BaseException) -> bool:
    return type(error).__module__.startswith(("pyspark.", "py4j."))


def _spark_text(error: BaseException, text: str) -> str:
    if type(error).__module__.startswith("py4j."):
        java = getattr(error, "java_exception", None)
        text = str(java.toString()) if java is not None else text.partition("\n")[0]
        causes = _JAVA_CAUSE.findall(str(error))
        return causes[-1] if causes else text
    if type(error).__name__ == "PythonException":  # a Python UDF: the worker's last line is the user's exception
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
        own = [line for line in lines if re.match(r"^[\w.]+(Error|Exception|Interrupt)\b", line)]
        return own[-1] if own else text.partition("\n")[0]
    return _TAIL.sub("", text)
