"""Spark's JVM as a child process: started at once, waited for when it is needed, ended with this process.

`bin/spark-submit` starts a JVM to compute the command line of the second; we compute it ourselves. The rest
is what `pyspark.java_gateway.launch_gateway` does: the JVM writes port and secret into a file, and ends when its
standard input closes, which the kernel sees to even when Python is killed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.home import private
from dataflow.process import encoding
from dataflow.spark.class_data_archive import class_data
from dataflow.spark.config import is_local
from dataflow.spark.errors import last_log_line
from dataflow.spark.java import Java
from dataflow.spark.launch_env import properties_file
from dataflow.spark.spark_home import spark_home

MODULE_OPTIONS = (
    # What org.apache.spark.launcher.JavaModuleOptions adds for Spark 4.1; a test compares the two.
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--add-modules=jdk.incubator.vector",
    *(
        f"--add-opens={package}=ALL-UNNAMED"
        for package in (
            "java.base/java.lang",
            "java.base/java.lang.invoke",
            "java.base/java.lang.reflect",
            "java.base/java.io",
            "java.base/java.net",
            "java.base/java.nio",
            "java.base/java.util",
            "java.base/java.util.concurrent",
            "java.base/java.util.concurrent.atomic",
            "java.base/jdk.internal.ref",
            "java.base/sun.nio.ch",
            "java.base/sun.nio.cs",
            "java.base/sun.security.action",
            "java.base/sun.util.calendar",
            "java.security.jgss/sun.security.krb5",
        )
    ),
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
    "--enable-native-access=ALL-UNNAMED",
)

_MAIN_CLASS = "org.apache.spark.deploy.SparkSubmit"

_FOREIGN_VARIABLES = (
    # They steer another Spark than ours, or its mode.
    "SPARK_CONF_DIR",
    "SPARK_TESTING",
    "SPARK_REMOTE",
    "SPARK_API_MODE",
    "SPARK_LOCAL_REMOTE",
    "SPARK_CONNECT_MODE_ENABLED",
    "CLASSPATH",
    "DATAFLOW_SCOPE",  # of a program that our JVM is started from
)

_BUSY_JARS = (
    # Most classes come from these, in this order. A JVM looks for each class in jar after jar, and one that makes
    # an archive compares each class's jar with all those before it: in the alphabet's order that costs seconds.
    "slf4j-api-",  # Spark's own launcher wants it first
    "iceberg-",
    "spark-catalyst_",
    "scala-library-",
    "spark-core_",
    "scala-reflect-",
    "spark-sql-api_",
    "log4j-core-",
    "spark-sql_",
    "jackson-databind-",
    "hadoop-client-api-",
    "janino-",
    "hadoop-client-runtime-",
    "spark-network-common_",
    "ivy-",
    "netty-common-",
    "antlr4-runtime-",
    "netty-transport-",
    "jackson-module-scala_",
    "log4j-api-",
    "jackson-core-",
    "spark-common-utils_",
    "sqlite-jdbc-",
)


_NICE = 10


class Jvm:
    """A running JVM with Spark's gateway in it."""

    def __init__(self, java: Java, conf: Mapping[str, str], log: Path, *, train: bool, umask: int = -1) -> None:
        """Start it without waiting.

        Args:
            java: What runs it.
            conf: All of Spark's settings; they reach it by a private file, as they may hold secrets.
            log: Where its output goes.
            train: Whether its work may become the class-data archive.
            umask: Who may not look at the files that it makes; the process's own when omitted.
        """
        self._log, self._umask = log, umask
        self._listens = False
        self.is_training = False
        """Whether it makes the class-data archive when it ends."""
        self._private = Path(tempfile.mkdtemp(prefix="dataflow-"))  # for this user's eyes alone
        try:
            self._process = self._launch(java, conf, train=train)
        except OSError as error:
            self._forget_private()
            raise DataflowError(f"{java.executable} can't be started: {error}") from error
        except BaseException:
            self._forget_private()
            raise

    def _launch(self, java: Java, conf: Mapping[str, str], *, train: bool) -> subprocess.Popen[bytes]:
        properties = self._private / "spark.properties"
        properties.write_text(properties_file(conf), encoding="utf-8")
        class_path = class_path_of(conf)
        data = class_data(java, class_path, train=train)
        self.is_training = data.lock is not None
        own = self._private / "java-options"  # a file: a command line can be read by everybody on the machine
        own.write_text(_argument_file(_own_options(conf)), encoding="utf-8")
        command = [str(java.executable), *_options(conf), f"@{own}", *data.options]
        command += [_MAIN_CLASS, "--properties-file", str(properties), "pyspark-shell"]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(self._log, "ab", opener=private) as stream:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=stream,
                    env=_environ(conf, class_path, self._private / "connection"),
                    pass_fds=() if data.lock is None else (data.lock,),
                    umask=self._umask,
                    process_group=0,  # Ctrl-C is for us; we end the JVM when we have tidied up
                )
        finally:
            if data.lock is not None:
                os.close(data.lock)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def connection(self) -> tuple[int, str]:
        """Wait until the gateway listens; return its port and secret.

        Raises:
            DataflowError: The JVM exited first; the message has the reason.
        """
        file = self._private / "connection"
        try:
            while not file.exists():  # put there by a rename
                if self._process.poll() is not None:
                    raise self.exit_error("Spark's JVM did not start")
                time.sleep(0.005)
            data = file.read_bytes()
        finally:
            self._forget_private()
        self._listens = True
        port, length = struct.unpack_from(">ii", data)
        return port, data[8 : 8 + length].decode()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def exit_error(self, what: str) -> DataflowError:
        """Return the error of its exit, with the reason and the log to read."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            cause = "something killed it; the machine may be out of memory"
        elif code < 0:
            cause = f"it was ended by {signal.Signals(-code).name}"
        else:
            cause = _exit_reason(self._log)
        return DataflowError(f"{what}: {cause}", f"see {display_path(self._log)}", permanent=True)

    def end(self, within: float | None = None) -> None:
        """Let it end normally, in the background: it may have an archive to write.

        Args:
            within: Seconds after which it is killed, and until which it is waited for.
        """
        self._forget_private()
        if not self._listens:  # the file for its port is gone: it would fail to write it, and stay for ever
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if within is not None:
            try:
                self._process.wait(within)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            return
        if self.is_training:
            with contextlib.suppress(OSError):  # so many seconds of work are not to slow what comes next
                os.setpriority(os.PRIO_PGRP, self._process.pid, _NICE)
        threading.Thread(target=self._process.wait, daemon=True, name="reaper of Spark's JVM").start()

    def _forget_private(self) -> None:
        shutil.rmtree(self._private, ignore_errors=True)


def _exit_reason(log: Path) -> str:
    """Return the line of a log that best explains why the JVM ended."""
    try:
        return last_log_line(log.read_text(encoding="utf-8", errors="replace").splitlines()[-500:])
    except OSError:
        return last_log_line([])


def class_path_of(conf: Mapping[str, str]) -> list[Path]:
    """List the class path file by file, the same each time: a class-data archive is good for one order only."""
    extra: list[Path] = []
    for entry in filter(None, conf.get("spark.driver.extraClassPath", "").split(os.pathsep)):
        path = Path(entry)
        extra += sorted(path.parent.glob("*.jar")) if path.name == "*" else [path]
    bundled = sorted((spark_home() / "jars").glob("*.jar"))
    found = sorted([*dict.fromkeys(extra), *bundled], key=_busy_first)  # stable: the environment's stay in front
    if not is_local(conf):  # where the cluster's own addresses are
        folders = filter(None, map(os.environ.get, ("HADOOP_CONF_DIR", "YARN_CONF_DIR")))
        found += map(Path, folders)
    return found


def _busy_first(jar: Path) -> int:
    places = (place for place, start in enumerate(_BUSY_JARS) if jar.name.startswith(start))
    return next(places, len(_BUSY_JARS))


def _options(conf: Mapping[str, str]) -> Sequence[str]:
    library_path = conf.get("spark.driver.extraLibraryPath")
    return [
        f"-Xmx{conf.get('spark.driver.memory', '1g')}",
        *MODULE_OPTIONS,
        "-XX:-UsePerfData",
        *([f"-Djava.library.path={library_path}"] if library_path else []),
    ]


def _own_options(conf: Mapping[str, str]) -> list[str]:
    """Return the environment's own options, which may hold secrets."""
    return shlex.split(
        f"{conf.get('spark.driver.defaultJavaOptions', '')} {conf.get('spark.driver.extraJavaOptions', '')}"
    )


def _argument_file(options: Sequence[str]) -> str:
    """Write options as `java @file` reads them (JEP 293), one a line."""
    escaped = (option.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for option in options)
    return "".join(f'"{option}"\n' for option in escaped)


def _environ(conf: Mapping[str, str], class_path: Sequence[Path], connection: Path) -> dict[str, str]:
    environ = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    environ |= {
        "SPARK_HOME": str(spark_home()),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_CONNECT_MODE": "0",
        "PYTHONHASHSEED": "0",  # as spark-submit does: Python workers must agree on hashes
        "CLASSPATH": os.pathsep.join(map(str, class_path)),  # too long for a command line that people read
        "_PYSPARK_DRIVER_CONN_INFO_PATH": str(connection),
    }
    if is_local(conf):
        environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    return environ | encoding(environ)
