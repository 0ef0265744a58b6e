"""Jars that Spark does not bring along, pinned: fetched once, checked, kept in the Dataflow home.

They are fetched with Ivy, which comes with pyspark. It is configured like Spark's own
`spark.jars.packages`: a mirror by the setting `spark.jars.ivySettings` or the variable
`DEFAULT_ARTIFACT_REPOSITORY`, a proxy by `HTTPS_PROXY`.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

from dataflow.errors import DataflowError
from dataflow.files import exclusive_lock, sha256_of
from dataflow.home import UMASK, home, subfolder
from dataflow.process import encoding
from dataflow.report import Report, silent
from dataflow.secret import learn_address
from dataflow.spark.java import Java
from dataflow.spark.spark_home import spark_home

_MB = 1_000_000
_STEP = 10 * _MB
_WAYS_OUT = (
    "behind a proxy set HTTPS_PROXY; with a mirror DEFAULT_ARTIFACT_REPOSITORY=<address>; "
    "offline DATAFLOW_JARS=<folder>"
)


@dataclass(frozen=True)
class PinnedJar:
    """A jar of a pinned version.

    Attributes:
        organisation: Its group in a Maven repository.
        name: Its artifact id.
        version: Its version.
        size: Its size in bytes.
        sha256: Its checksum.
        title: Its name in messages.
        classifier: Which of several files of that artifact; empty for the main one.
    """

    organisation: str
    name: str
    version: str
    size: int
    sha256: str
    title: str
    classifier: str = ""

    @property
    def file_name(self) -> str:
        """The file's name, as in a Maven repository."""
        return f"{self.name}-{self.version}{f'-{self.classifier}' if self.classifier else ''}.jar"

    def is_intact(self, file: Path) -> bool:
        """Return whether a file is this jar, by its checksum."""
        if not file.is_file() or file.stat().st_size != self.size:
            return False
        return sha256_of(file) == self.sha256


ICEBERG = PinnedJar(
    "org.apache.iceberg",
    "iceberg-spark-runtime-4.1_2.13",
    "1.12.0",
    48_309_426,
    "3123c3798af642dd537230923548e013ef41cc28b6626e5225808cf5670a0f82",
    "Iceberg",
)
SQLITE = PinnedJar(
    "org.xerial",
    "sqlite-jdbc",
    "3.50.1.0",
    14_342_332,
    "8549557320440887e9ff8dc6ef01cb78f88066d2b1209fb6423f7ad299873ff6",
    "SQLite",
)
SBT = PinnedJar(
    "org.scala-sbt",
    "sbt-launch",
    "1.12.14",
    3_827_120,
    "1750c8fb61c2d2f82da40b2cd9014f4d8a1bd49a361402ea5b1cec061ed66578",
    "sbt's launcher",
)
COMET = PinnedJar(
    "org.apache.datafusion",
    "comet-spark-spark4.1_2.13",
    "1.2.0",
    98_985_596,
    "5055c43dca9e8cce83c33b1ff25646d1436c94698ca48beb3475bf60843b8d37",
    "Comet",
)
AWS = PinnedJar(
    "org.apache.iceberg",
    "iceberg-aws-bundle",
    "1.12.0",
    69_034_612,
    "dd7e49ffa4ac9b215bed846581991259e3aec9bb2fa08d6cec029c46cd66d957",
    "Iceberg's AWS bundle",
)
POSTGRESQL = PinnedJar(
    "org.postgresql",
    "postgresql",
    "42.7.8",
    1_116_727,
    "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7",
    "PostgreSQL's driver",
)
JARS = (ICEBERG, SQLITE)
"""The jars that every session needs; `catalog_jars.py` knows what else a catalog does."""


def spark_version() -> str:
    """Return the version of Spark that Dataflow is built for: the one that its own package asks for."""
    from importlib.metadata import requires

    (pin,) = (it for it in requires("dataflow-recipes") or () if it.startswith("pyspark=="))
    return pin.removeprefix("pyspark==").partition(";")[0].strip()


def folder() -> Path:
    """Return where the jars are, or will be: `DATAFLOW_JARS`, else in the Dataflow home."""
    given = os.environ.get("DATAFLOW_JARS")
    return Path(given).expanduser().absolute() if given else home() / "jars"


def paths(wanted: Sequence[PinnedJar]) -> list[Path]:
    """Return the jars' files, whether they are there yet or not."""
    return [folder() / jar.file_name for jar in wanted]


def ensure(
    java: Java, spark: Mapping[str, str], report: Report = silent, wanted: Sequence[PinnedJar] | None = None
) -> list[Path]:
    """Return the jars' files, after fetching those that are missing.

    Args:
        java: What to run Ivy with.
        spark: The environment's Spark settings, for a mirror.
        report: Receives lines about a download and its progress.
        wanted: The jars; those of a session when omitted.

    Raises:
        DataflowError: A jar can't be had, or is not the pinned one.
    """
    wanted = JARS if wanted is None else wanted
    if os.environ.get("DATAFLOW_JARS"):
        _check_given(folder(), wanted)
    elif _missing(wanted):
        with exclusive_lock(subfolder("jars") / ".lock", "fetching jars", report):
            if missing := _missing(wanted):  # still, after waiting for whoever was fetching them
                _fetch(java, spark, missing, report)
    return [folder() / jar.file_name for jar in wanted]


def mirror(spark: Mapping[str, str]) -> str | None:
    """Return the mirror that is configured: an Ivy settings file, a repository's address, or None."""
    return spark.get("spark.jars.ivySettings") or os.environ.get("DEFAULT_ARTIFACT_REPOSITORY") or None


def proxy_options(environ: Mapping[str, str]) -> list[str]:
    """Turn `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` into Java's system properties."""
    options = []
    for scheme in ("http", "https"):
        address = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if not address:
            continue
        learn_address(address)
        proxy = urlsplit(address if "://" in address else f"http://{address}")
        options += [f"-D{scheme}.proxyHost={proxy.hostname}", f"-D{scheme}.proxyPort={proxy.port or 80}"]
        if proxy.username:
            options += [f"-D{scheme}.proxyUser={unquote(proxy.username)}"]
            options += [f"-D{scheme}.proxyPassword={unquote(proxy.password or '')}"]
    if options and (direct := environ.get("no_proxy") or environ.get("NO_PROXY")):
        hosts = [host.strip() for host in direct.split(",") if host.strip()]
        options.append("-Dhttp.nonProxyHosts=" + "|".join(f"*{h}" if h.startswith(".") else h for h in hosts))
    return options


def _missing(wanted: Sequence[PinnedJar]) -> list[PinnedJar]:
    """Return the jars that are missing or incomplete; they were put there by a rename, so the size is enough."""
    there = {jar: folder() / jar.file_name for jar in wanted}
    return [jar for jar, file in there.items() if not file.exists() or file.stat().st_size != jar.size]


def _check_given(given: Path, wanted: Sequence[PinnedJar]) -> None:
    for jar in wanted:
        file = given / jar.file_name
        if not file.exists():
            raise DataflowError(f"DATAFLOW_JARS={given} has no {jar.file_name}", permanent=True)
        if not jar.is_intact(file):
            raise DataflowError(f"{file} is not the pinned jar (sha256 {jar.sha256})", permanent=True)


def _fetch(java: Java, spark: Mapping[str, str], missing: list[PinnedJar], report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder()) as name:
        work = Path(name)
        output = _run_ivy(_ivy_command(java, spark, missing, work), missing, work, report)
        for jar in missing:
            file = work / jar.file_name
            if not file.exists():
                raise DataflowError(f"{jar.file_name} could not be fetched: {_cause(output)}", _WAYS_OUT)
            if not jar.is_intact(file):
                raise DataflowError(
                    f"the fetched {jar.file_name} is not the pinned jar (sha256 {jar.sha256})",
                    "a mirror or a proxy may have changed it; " + _WAYS_OUT,
                )
        for jar in missing:
            (work / jar.file_name).replace(folder() / jar.file_name)


def _ivy_command(java: Java, spark: Mapping[str, str], missing: list[PinnedJar], work: Path) -> list[str]:
    (work / "ivy.xml").write_text(
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">'
        '<info organisation="dataflow" module="jars"/><configurations><conf name="default"/></configurations>'
        f"<dependencies>{''.join(_dependencies(missing))}</dependencies></ivy-module>"
    )
    command = [str(java.executable), "-cp", str(spark_home() / "jars" / "*"), "org.apache.ivy.Main"]
    command += ["-ivy", str(work / "ivy.xml"), "-cache", str(work / "cache"), "-types", "jar"]
    command += ["-retrieve", str(work / "[artifact]-[revision](-[classifier]).[ext]")]
    if configured := mirror(spark):
        command += ["-settings", _settings_file(configured, work)]
    return command


def _dependencies(missing: Sequence[PinnedJar]) -> Iterator[str]:
    """Yield what asks Ivy for jars, and for nothing that they need: each artifact once, with all its files."""
    modules: dict[tuple[str, str, str], list[PinnedJar]] = {}
    for jar in missing:
        modules.setdefault((jar.organisation, jar.name, jar.version), []).append(jar)
    for (organisation, name, version), files in modules.items():
        classifiers = (f' m:classifier="{jar.classifier}"' if jar.classifier else "" for jar in files)
        artifacts = "".join(f'<artifact name="{name}" type="jar"{each}/>' for each in classifiers)
        wanted = f'<dependency org="{organisation}" name="{name}" rev="{version}" conf="default->master">'
        yield f"{wanted}{artifacts}</dependency>"


def _settings_file(configured: str, work: Path) -> str:
    if configured.endswith(".xml"):
        return configured
    file = work / "ivysettings.xml"
    file.write_text(
        '<ivysettings><settings defaultResolver="mirror"/><resolvers>'
        f'<ibiblio name="mirror" m2compatible="true" root={quoteattr(configured)}/>'
        "</resolvers></ivysettings>"
    )
    return str(file)


def _run_ivy(command: list[str], missing: list[PinnedJar], work: Path, report: Report) -> str:
    total, reported = sum(jar.size for jar in missing), 0
    names = " and ".join(dict.fromkeys(jar.title for jar in missing))
    report(f"Fetching {names}, this once ({total / _MB:.0f} MB) …")
    output = work / "ivy.log"
    # By the environment: a proxy's password must not stand on a command line.
    options = [os.environ.get("JDK_JAVA_OPTIONS", ""), *proxy_options(os.environ)]
    environ = {**os.environ, "JDK_JAVA_OPTIONS": " ".join(options), **encoding(os.environ)}
    with (
        output.open("wb") as log,
        subprocess.Popen(
            command, stdout=log, stderr=log, env=environ, umask=UMASK if folder().is_relative_to(home()) else -1
        ) as ivy,
    ):
        try:
            while ivy.poll() is None:
                time.sleep(0.2)
                done = _bytes_so_far(work / "cache")
                if done - reported >= _STEP:
                    reported = done
                    report(f"  {done / _MB:.0f} of {total / _MB:.0f} MB")
        except BaseException:
            ivy.kill()
            raise
    return output.read_text(encoding="utf-8", errors="replace")


def _bytes_so_far(cache: Path) -> int:
    """Add up the jars in Ivy's cache, those with `.part` at their end included."""
    total = 0
    for file in cache.rglob("*.jar*"):
        with contextlib.suppress(OSError):  # renamed meanwhile
            total += file.stat().st_size
    return total


def _cause(output: str) -> str:
    """Return the line of Ivy's output with the error."""
    for pattern in (r"ERRORS\s+(?:\w+: )?(.+)", r"([\w.]+Exception: .+)", r":: (.+: not found)"):
        if found := re.search(pattern, output):
            return found[1].strip()
    lines = [line.strip(" \t:") for line in output.splitlines() if line.strip(" \t:")]
    return lines[-1] if lines else "Ivy printed nothing"
