"""Running a jar: its `run(spark, args)` in the job's session, or its `main` in a Spark of its own.

The session brings the jar to the driver and to executors by Spark's artifacts, which are the session's alone: two
jars with classes of the same names, or one that was built again, never meet. What its code prints through Scala's
console is captured per job; Java's `System.out` and loggers are the JVM's, and go to the run's log.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, did_you_mean, display_path
from dataflow.jobs.context import ProgramServices
from dataflow.spark.errors import hint_of, is_mistake, jvm_error_message
from dataflow.tables.iceberg import jvm
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_POLL = 0.2


@dataclass(frozen=True)
class ProgramJar:
    """A jar with a job's program.

    Attributes:
        path: The file.
        sources: The folder with the source of its classes, where there is one.
    """

    path: Path
    sources: Path | None = None

    @cached_property
    def classes(self) -> frozenset[str]:
        """The names of its classes.

        Raises:
            DataflowError: It is not a jar.
        """
        try:
            with zipfile.ZipFile(self.path) as jar:
                names = jar.namelist()
        except (OSError, zipfile.BadZipFile) as error:
            raise DataflowError(f"{display_path(self.path)} can't be read as a jar: {error}", permanent=True) from error
        return frozenset(name.removesuffix(".class").replace("/", ".") for name in names if name.endswith(".class"))

    def entry(self, wanted: str | None) -> str:
        """Return the class to call: the one asked for, else the manifest's.

        Raises:
            DataflowError: The jar has no such class, or names none.
        """
        if name := wanted or self._main_class():
            if name in self.classes:
                return name
            nearest = did_you_mean(name, {found for found in self.classes if "$" not in found})
            raise DataflowError(f"{display_path(self.path)} has no class {name}{nearest}", permanent=True)
        raise DataflowError(
            f"{display_path(self.path)} names no main class", "say which object to call: class: my.Pipeline",
            permanent=True,
        )  # fmt: skip

    def _main_class(self) -> str | None:
        try:
            with zipfile.ZipFile(self.path) as jar:
                manifest = jar.read("META-INF/MANIFEST.MF").decode("utf-8", errors="replace")
        except KeyError:
            return None
        joined = manifest.replace("\r\n", "\n").replace("\n ", "")  # long values go on in the next line
        lines = (line.partition(": ") for line in joined.splitlines())
        return next((value.strip() for key, _, value in lines if key == "Main-Class"), None)


def run_jar(
    spark: SparkSession, jar: ProgramJar, entry: str, params: Mapping[str, str], services: ProgramServices
) -> bool:
    """Call a jar's `run(spark, args)` in a session.

    Args:
        spark: The job's session.
        jar: The jar.
        entry: The class to call.
        params: The arguments of `run`, by name.
        services: Shows each line that the code prints, and logs the stack trace of a failure.

    Returns:
        False when the class has a `main` alone, which ends the session it runs in: nothing was called then.

    Raises:
        DataflowError: The code failed; the message names its file and line and the cause.
    """
    with _class_loader(spark, jar.path) as loader:
        method = _run_method(spark, _load(spark, entry, loader, jar))
        if method is not None:
            arguments = {key: resolve_secrets(value) for key, value in params.items()}
            with _console(spark, services.print_line):
                _invoke(spark, method, arguments, jar, services)
    return method is not None


@contextlib.contextmanager
def _class_loader(spark: SparkSession, jar: Path) -> Iterator[JavaObject]:
    """Add a jar to a session, and make its loader this thread's, where encoders look for case classes."""
    session: Any = spark._jsparkSession
    artifacts = session.artifactManager()
    session.addArtifact(jvm(spark).java.io.File(str(jar.resolve())).toURI())
    thread = jvm(spark).java.lang.Thread.currentThread()
    before = thread.getContextClassLoader()
    thread.setContextClassLoader(artifacts.classloader())
    try:
        yield artifacts.classloader()
    finally:
        thread.setContextClassLoader(before)
        # Tasks of RDDs, of whichever session, fetch what is added anywhere, and refuse two files of one name.
        artifacts.close()


def _load(spark: SparkSession, name: str, loader: JavaObject, jar: ProgramJar) -> JavaObject:
    try:
        return jvm(spark).java.lang.Class.forName(name, True, loader)
    except Exception as error:
        raise DataflowError(
            f"{display_path(jar.path)}: {jvm_error_message(error, jar.classes, jar.sources)}", permanent=True
        ) from error


@dataclass(frozen=True)
class _Method:
    """A `run(spark, args)`, and how its second argument is made."""

    java: JavaObject
    wants: str


def _run_method(spark: SparkSession, cls: JavaObject) -> _Method | None:
    """Return a class's `run(spark, args)`, or None when it has only a `main`.

    Raises:
        DataflowError: It has a `run` that can't be called, or neither.
    """
    names = set()
    for method in cls.getMethods():
        names.add(str(method.getName()))
        types = list(method.getParameterTypes())
        if method.getName() == "run" and len(types) == 2 and types[0].isInstance(spark._jsparkSession):
            wants = str(types[1].getName())
            if wants in {"scala.collection.immutable.Map", "scala.collection.Map", "java.util.Map"}:
                return _Method(method, wants)
    if "run" in names or "main" not in names:
        raise DataflowError(
            f"{cls.getName()} has no run(spark, args)" + (" that can be called" if "run" in names else " and no main"),
            "give the object a `def run(spark: SparkSession, args: Map[String, String]): Unit`",
            permanent=True,
        )
    return None


def _invoke(
    spark: SparkSession, method: _Method, params: Mapping[str, str], jar: ProgramJar, services: ProgramServices
) -> None:
    arguments = jvm(spark).java.util.HashMap()
    for name, value in params.items():
        arguments.put(name, value)
    if method.wants.startswith("scala."):
        arguments = jvm(spark).PythonUtils.toScalaMap(arguments)
    gateway: Any = spark.sparkContext._gateway
    both = gateway.new_array(jvm(spark).java.lang.Object, 2)
    both[0], both[1] = spark._jsparkSession, arguments
    try:
        method.java.invoke(None, both)
    except Exception as error:
        for line in str((getattr(error, "java_exception", None) and _stack(spark, error)) or error).splitlines():
            services.log_line(line)
        message = jvm_error_message(error, jar.classes, jar.sources)
        raise DataflowError(message, hint_of(error), permanent=is_mistake(error)) from error


def _stack(spark: SparkSession, error: Any) -> str:
    """Return the Scala stack trace of what the code threw."""
    thrown = error.java_exception.getCause() or error.java_exception
    return str(jvm(spark).org.apache.spark.util.Utils.exceptionString(thrown))


@contextlib.contextmanager
def _console(spark: SparkSession, output: Callable[[str], None]) -> Iterator[None]:
    """Capture what this thread, and those that it starts, print through Scala's console."""
    java = jvm(spark).java
    # Scala's own way in, `Console.withOut`, takes a function; these are what it calls.
    console = java.lang.Class.forName("scala.Console$").getField("MODULE$").get(None)
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        file = Path(folder) / "output"
        stream = java.io.PrintStream(java.io.FileOutputStream(str(file), True), True, "UTF-8")
        before = console.out(), console.err()
        console.setOutDirect(stream)
        console.setErrDirect(stream)
        try:
            with _followed(file, output):
                yield
        finally:
            console.setOutDirect(before[0])
            console.setErrDirect(before[1])
            stream.close()


@contextlib.contextmanager
def _followed(file: Path, output: Callable[[str], None]) -> Iterator[None]:
    """Pass on the lines of a file while it grows, and the rest at the end."""
    over = threading.Event()

    def follow() -> None:
        with file.open(encoding="utf-8", errors="replace") as stream:
            rest = ""
            while True:
                last = over.is_set()
                rest += stream.read()
                *lines, rest = rest.split("\n")
                for line in lines:
                    output(line.rstrip("\r"))
                if last:
                    break
                time.sleep(_POLL)
            if rest:
                output(rest)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def command_line(params: Mapping[str, str], args: Sequence[str] | None) -> list[str]:
    """Return the arguments of a `main`: those of the job, else NAME=VALUE for each parameter of the user's.

    Raises:
        DataflowError: A secret is among them: a command line can be read by everybody on the machine.
    """
    line = list(args) if args is not None else [f"{k}={v}" for k, v in params.items() if not k.startswith("dataflow.")]
    if any("${secret:" in argument for argument in line):
        raise DataflowError(
            "a secret can't go by a command line, which everybody on the machine can read",
            "give the object a `run(spark, args)`, or read the secret in `main`",
            permanent=True,
        )
    return line
