"""Short error messages: the SQL error with its line, the user's exception, never a Java stack."""

from __future__ import annotations

import linecache
import re
import threading
import traceback
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, display_path
from dataflow.spark.column_errors import columns_differ
from dataflow.workflow.pyproject import code_roots, project_of

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

_PLACE = re.compile(r"line (\d+),? pos(?:ition)? (\d+)")
PRIVATE_PREFIX = "dataflow_script_"
"""The prefix of the private module names that user scripts are loaded under; messages leave it out."""

_PRIVATE_NAME = re.compile(rf"{PRIVATE_PREFIX}[0-9a-f]{{32}}\.")
_TAIL = re.compile(
    r"(?:; line \d+ pos \d+|\s*\(line \d+, pos \d+\))?;?\s*(?:\n['+].*|\n\n?== SQL.*|\nJVM stacktrace.*)?$", re.S
)
_JAVA_CAUSE = re.compile(r"^Caused by: ([\w.$]+(?:Exception|Error)[^\n]*)", re.M)
_JAVA_HEAD = re.compile(r"(?:[a-z_][\w$]*\.)+([\w$]+(?:Exception|Error)|WriteRefused): ")
_EXIT_REASON = re.compile(
    r"^(?:Exception in thread .*|Caused by: .*|Error: .*|Error occurred .*|[\w.$]+(?:Exception|Error): .*)$"
)
_MISTAKES = frozenset(
    {
        *("AnalysisException", "ParseException", "ExtendedAnalysisException", "WriteRefused"),
        *("NoSuchTableException", "NoSuchNamespaceException", "NoSuchViewException"),  # Spark's, and Iceberg's own
    }
)
_ARITY = ("INSERT_COLUMN_ARITY_MISMATCH", "not enough data columns", ", the write gives ")
_REFUSAL = "dataflow.guard.WriteRefused"
_WORKER_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)$', re.M)
_DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "GitPython",
    "jwt": "PyJWT",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Packages whose name differs from the modules that they install."""

_NEEDS_EXTRA = re.compile(
    r"No module named '(?:pandas|pyarrow)'|\b(?:Pandas|PyArrow) >= [\d.]+ must be installed", re.I
)
_SQLSTATE = re.compile(r"\s*SQLSTATE: \w{5}")
_BESIDE_THE_POINT = re.compile(
    r" Verify the spelling and correctness of the schema and catalog\.|\s*If you did not qualify the name with [^\n]*"
    r"|\s*To tolerate the error on drop use [^\n]*?IF EXISTS\.| If necessary set [^\n]* to bypass this error\."
)
"""What Spark adds to its messages that mends nothing in a script."""


def without_private_names(text: str) -> str:
    """Return a text with the names of modules as users know them."""
    return _PRIVATE_NAME.sub("", text)


def short_message(error: BaseException) -> str:
    """Return an exception's message in one or two lines, without plans, stacks and SQL states."""
    if (refusal := refusal_in(error)) is not None:
        return refusal[0]
    text = without_private_names(_text_of(error))
    if _is_spark(error):
        return _told(_spark_text(error, text))
    if isinstance(error, BaseExceptionGroup):
        return f"{text}: {'; '.join(map(short_message, error.exceptions))}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _told(text: str) -> str:
    """Return Spark's message as people need it: in a line where columns differ, without codes and vain advice."""
    if (differ := columns_differ(text)) is not None:
        return differ.message
    return _BESIDE_THE_POINT.sub("", _SQLSTATE.sub("", text)).strip()


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # that of a user's own class
        return ""


def raise_ctrl_c(error: BaseException) -> None:
    """Raise an exception that is Ctrl-C: a KeyboardInterrupt in the main thread. In others, user code raised it.

    Raises:
        KeyboardInterrupt: It is one.
    """
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        raise error


def refusal_in(error: BaseException) -> tuple[str, str] | None:
    """Return reason and hint of a write that the guard in the JVM refused, where that caused an error; else None."""
    each: BaseException | None = error
    while each is not None:
        thrown = getattr(each, "java_exception", None) or getattr(each, "_origin", None)
        for cause in _causes(thrown):
            if str(cause.getClass().getName()) == _REFUSAL:
                return str(cause.reason()), str(cause.hint())
        each = each.__cause__
    return None


def hint_of(error: BaseException, script: Path | None = None) -> str | None:
    """Return the hint for a failure: that of the guard in the JVM, or how to install a missing package.

    Args:
        error: The failure.
        script: The Python file that failed.
    """
    if (refusal := refusal_in(error)) is not None:
        return refusal[1]
    text = _text_of(error)
    if _NEEDS_EXTRA.search(text):
        return "install it:  pip install 'dataflow-recipes[pandas]'"
    found = re.findall(r"No module named '([\w.]+)'", text)
    if not found or not (isinstance(error, ModuleNotFoundError) or _is_spark(error)):
        return None
    name = without_private_names(found[-1]).partition(".")[0]
    line = _line_to_add(name, script)
    if _is_spark(error):
        return f"if {name} is a file of yours, import it at the top of the script; else {line}"
    return f"put {name}.py beside the script, or {line}"


def _line_to_add(module: str, script: Path | None) -> str:
    """Return how to add a module's package to the environment of a script."""
    package = _DISTRIBUTIONS.get(module, module)
    try:
        project = project_of(script) if script is not None else None
    except UsageError:
        project = None
    if project is None:
        return f'write a pyproject.toml:  [project] with dependencies = ["{package}"]'
    where = display_path(project.file)
    again = f"dataflow project lock {display_path(project.folder)}"
    return f'add "{package}" to the dependencies in {where}, then:  {again}'


def is_arity(error: BaseException) -> bool:
    """Return whether an INSERT with too few or too many columns failed."""
    return any(sign in str(error) for sign in _ARITY)


def is_mistake(error: BaseException) -> bool:
    """Return whether an error is a mistake in the text, which a retry can't mend."""
    if refusal_in(error) is not None:
        return True
    if (thrown := getattr(error, "java_exception", None)) is not None:
        return any(not _MISTAKES.isdisjoint(_class_names(each)) for each in _causes(thrown))
    return _is_spark(error) and type(error).__name__ in _MISTAKES


def short_java_message(text: str) -> str:
    """Return the short message of an error that another language printed, without its Java stack."""
    head = _JAVA_HEAD.search(text)
    if head is None:
        return text
    message = text[head.end() :].partition("\n\tat ")[0]
    if head[1] in _MISTAKES:
        return _told(_TAIL.sub("", message))
    if causes := _JAVA_CAUSE.findall(text):
        return str(causes[-1])
    return _told(message if message.startswith("[") else head[0] + message)


def is_java_mistake(text: str) -> bool:
    """Return whether an error that another language printed is a mistake in the text; see `is_mistake`."""
    head = _JAVA_HEAD.search(text)
    return head is not None and head[1] in _MISTAKES


def sql_position(error: BaseException) -> tuple[int, int] | None:
    """Return line and column, both from 1, of the SQL text that Spark blames, or None."""
    if _is_spark(error) and (found := _PLACE.search(str(error))):
        return int(found[1]), int(found[2]) + ("position" not in found[0])
    return None


def user_frame(error: BaseException, *folders: Path) -> traceback.FrameSummary | None:
    """Return the innermost frame of an exception that stands in the user's own files."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and _is_inside(frame.filename, folders)
    ]
    return frames[-1] if frames else None


def worker_frame(error: BaseException, *folders: Path) -> traceback.FrameSummary | None:
    """Return the innermost frame in the user's own files of what failed in one of Spark's Python workers, or None."""
    if not _is_spark(error):
        return None
    for file, number, name in reversed(_WORKER_FRAME.findall(_text_of(error))):
        if _is_inside(file, folders):
            return traceback.FrameSummary(file, int(number), name, line=linecache.getline(file, int(number)).strip())
    return None


def _is_inside(file: str, folders: Sequence[Path]) -> bool:
    path = Path(file).resolve()
    return any(path.is_relative_to(it.resolve()) for it in folders) and "site-packages" not in path.parts


def python_error_message(error: BaseException, script: Path) -> str:
    """Return the message of an exception of the user's Python code, with file, line, function and code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{display_path(Path(error.filename))}:{error.lineno}: {type(error).__name__}: {error.msg}"
    folders = (script.parent, *code_roots(script))
    frame = worker_frame(error, *folders) or user_frame(error, *folders)
    where = f"{display_path(Path(frame.filename))}:{frame.lineno} in {frame.name}(): " if frame else ""
    code = f"\n    {frame.line}" if frame and frame.line else ""
    return f"{where}{short_message(error)}{code}"


def jvm_error_message(error: BaseException, classes: Collection[str], sources: Path | None = None) -> str:
    """Return the message of an exception of the user's compiled code, with file, line, function and code.

    Args:
        error: What py4j raised.
        classes: The names of the user's classes.
        sources: The folder that holds their source, where there is one.
    """
    thrown = getattr(error, "java_exception", None)
    if thrown is None:
        return short_message(error)
    causes = [*_causes(thrown)]
    frames = (frame for cause in reversed(causes) for frame in cause.getStackTrace())
    frame = next((frame for frame in frames if str(frame.getClassName()) in classes), None)
    if frame is None:
        return _thrown_text(causes[-1])
    file, number = str(frame.getFileName()), int(frame.getLineNumber())
    source = next(iter(sorted(sources.rglob(file))), None) if sources is not None else None
    shown, code = file, ""
    if source is not None:
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
        shown, code = display_path(source), f"\n    {lines[number - 1].strip()}" if number <= len(lines) else ""
    method = str(frame.getMethodName()).removeprefix("$anonfun$").partition("$")[0]
    return f"{shown}:{number} in {method}(): {_thrown_text(causes[-1])}{code}"


def last_log_line(lines: Sequence[str]) -> str:
    """Return the line of a program's output that best explains why it ended."""
    found = [line.strip() for line in lines if line.strip() and not line.startswith("\t")]
    causes = [place for place, line in enumerate(found) if _EXIT_REASON.match(line)]
    if not causes:
        return found[-1] if found else "it printed nothing"
    cause = causes[-1]
    if found[cause].startswith("Error occurred during initialization"):  # the next line names the error
        cause = min(cause + 1, len(found) - 1)
    return re.sub(r'^(Caused by|Exception in thread "[^"]*"):? ', "", found[cause])


def _causes(thrown: JavaObject | None) -> Iterator[JavaObject]:
    """Yield a Java exception and its causes, outermost first, without reflection's wrapper."""
    each = thrown
    while each is not None:
        if str(each.getClass().getName()) != "java.lang.reflect.InvocationTargetException":
            yield each
        each = each.getCause()


def _class_names(thrown: JavaObject) -> Iterator[str]:
    """Yield the simple names of a Java exception's class, and of those that it extends."""
    each = thrown.getClass()
    while each is not None:
        yield str(each.getSimpleName())
        each = each.getSuperclass()


def _thrown_text(thrown: JavaObject) -> str:
    """Return the message of a Java exception in a line or two."""
    name = str(thrown.getClass().getName())
    if name == _REFUSAL:
        return str(thrown.reason())
    if name.startswith("org.apache.spark."):
        from pyspark.errors.exceptions.captured import convert_exception

        return short_message(convert_exception(thrown))
    text = thrown.getMessage()
    return name.rpartition(".")[2] + (f": {text}" if text is not None else "")


def _is_spark(error: BaseException) -> bool:
    return type(error).__module__.startswith(("pyspark.", "py4j."))


def _spark_text(error: BaseException, text: str) -> str:
    if (message := _worker_message(text)) is not None:
        return message
    if type(error).__module__.startswith("py4j."):
        java = getattr(error, "java_exception", None)
        text = str(java.toString()) if java is not None else text.partition("\n")[0]
        causes = _JAVA_CAUSE.findall(str(error))
        return causes[-1] if causes else text
    return _TAIL.sub("", text)


def _worker_message(text: str) -> str | None:
    """Return the message of an exception in a Python worker: the line below its traceback; None without one."""
    _, found, below = text.rpartition("Traceback (most recent call last):\n")
    lines = [line for line in below.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    return lines[0] if found and lines else None
