"""What Comet needs, and what it says of plans; no JVM is started."""

from __future__ import annotations

import platform
import sys
import zipfile
from pathlib import Path

import pytest

from dataflow.errors import DataflowError
from dataflow.runner import doctor
from dataflow.spark import comet, jars
from dataflow.spark.comet import NONE, Acceleration, Executed, hindrance, ready
from dataflow.spark.config import GUARD_JAR, settings
from dataflow.spark.jvm import class_path_of
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Comet runs on Linux alone")

EXPLAINED = """\
CometColumnarToRow
+- CometProject
   +-  HashAggregate [COMET: Unsupported aggregate: percentile, a, b]
      +- CometExchange
         +-  Window [COMET: window function lag is not supported]
         :  +- HashAggregate [COMET: Unsupported aggregate: percentile, a, b]
            +- CometIcebergNativeScan

Comet accelerated 4 out of 7 eligible operators (57%). Final plan contains 2 transitions between Spark and Comet."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATAFLOW_JARS", raising=False)
    return tmp_path / "home"


def test_an_environment_s_own_settings_win_over_comet_s_and_lists_are_joined():
    own = {"spark.memory.offHeap.size": "7g", "spark.plugins": "a.Plugin", "spark.comet.exec.enabled": "false"}
    found = settings(Environment("sandbox", spark=own), comet=True)
    assert found["spark.plugins"] == "a.Plugin,org.apache.spark.CometPlugin"
    assert (found["spark.memory.offHeap.size"], found["spark.comet.exec.enabled"]) == ("7g", "false")
    assert found["spark.memory.offHeap.enabled"] == "true"


def test_with_comet_the_jvm_need_not_compile_much_and_has_the_memory_of_large_data():
    plain, native = (settings(Environment("sandbox"), comet=it) for it in (False, True))
    assert "TieredStopAtLevel=1" in native["spark.driver.extraJavaOptions"]
    assert "spark.driver.extraJavaOptions" not in plain
    assert native["spark.driver.memory"] == plain["spark.driver.memory"]


def test_without_comet_no_setting_is_comet_s_and_no_jar_of_it_is_on_the_class_path():
    plain, native = (settings(Environment("sandbox"), comet=it) for it in (False, True))
    assert not any("comet" in key or "Comet" in value for key, value in plain.items())
    added = set(class_path_of(native)) - set(class_path_of(plain))
    assert added == {jars.folder() / jars.COMET.file_name}  # so that its class-data archive is one of its own
    assert GUARD_JAR in class_path_of(native)


def test_what_stays_off_is_off_by_name_and_documented_with_its_reason():
    found = settings(Environment("sandbox"), comet=True)
    documented = (Path(__file__).parents[2] / "docs" / "comet.md").read_text("utf-8")
    for name, reason in comet.SWITCHED_OFF.items():
        assert found[name] == "false"
        assert f"| `{name}` | {reason} |" in documented


@pytest.mark.parametrize(
    ("spark", "why"),
    [
        ({"spark.master": "local[2]"}, None),
        ({"spark.master": "spark://there:7077"}, "it is tried with a local master alone, and spark.master is spark://"),
        ({"spark.shuffle.manager": "other"}, "it needs its own shuffle manager, and spark.shuffle.manager is other"),
    ],
)
def test_an_environment_s_settings_may_hinder_it(monkeypatch, spark, why):
    monkeypatch.setattr(comet, "memory", lambda: 8 * 1024**3)
    found = hindrance(Environment("sandbox", spark=spark))
    assert found is None if why is None else str(found).startswith(why)


def test_a_machine_may_hinder_it(monkeypatch, tmp_path):
    monkeypatch.setattr(comet, "memory", lambda: 3 * 1024**3)
    assert hindrance(Environment("sandbox")) == "it needs 4 GiB of memory, and this machine has 3.0"
    monkeypatch.setattr(comet, "memory", lambda: None)
    assert hindrance(Environment("sandbox")) is None
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    assert comet.lacking() == f"DATAFLOW_JARS has no {jars.COMET.file_name}"
    (tmp_path / jars.COMET.file_name).touch()
    assert comet.lacking() is None


@pytest.mark.parametrize(
    ("system", "machine", "libc", "why"),
    [
        ("linux", "aarch64", ("glibc", "2.36"), None),
        ("linux", "riscv64", ("glibc", "2.36"), "it runs on Linux alone, on x86-64 and ARM, and this is X on riscv64"),
        ("darwin", "arm64", ("", ""), "it runs on Linux alone, on x86-64 and ARM, and this is X on arm64"),
        ("win32", "AMD64", ("", ""), "it runs on Linux alone, on x86-64 and ARM, and this is X on AMD64"),
        ("linux", "x86_64", ("", ""), "its native library needs glibc, which this system does not have"),
        (
            "linux", "x86_64", ("glibc", "2.9"),
            "its native library needs glibc 2.30 or later, and this system has 2.9",
        ),
    ],
)  # fmt: skip
def test_a_system_that_its_library_was_not_built_for_is_named(monkeypatch, system, machine, libc, why):
    monkeypatch.setattr(comet, "memory", lambda: 8 * 1024**3)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "system", lambda: "X")
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    environment = Environment("sandbox", accelerator="auto")
    assert hindrance(environment) == why
    detail = doctor._comet(environment).detail
    assert detail == f"off: {why}" if why else detail.startswith("on for runs that read more than 2,000,000 rows")


def test_a_container_s_limit_counts_where_it_is_below_the_machine_s_memory(monkeypatch, tmp_path):
    has = comet.memory()
    for text, memory in (("max\n", has), ("5368709120\n", 5 * 1024**3), ("9223372036854771712\n", has)):
        (tmp_path / "limit").write_text(text)
        monkeypatch.setattr(comet, "_LIMITS", (str(tmp_path / "none"), str(tmp_path / "limit")))
        assert comet.memory() == memory
    (tmp_path / "limit").write_text("5368709120\n")
    found = settings(Environment("sandbox"), comet=True)
    assert (found["spark.driver.memory"], found["spark.memory.offHeap.size"]) == ("1g", "1g")


def test_a_jar_that_can_t_be_had_stops_who_wants_it_by_name_and_nobody_else(monkeypatch):
    def refuse(*_):
        raise DataflowError("no network")

    monkeypatch.setattr(jars, "ensure", refuse)
    said = []
    found = ready(Acceleration(True, "many rows"), None, Environment("sandbox"), said.append)
    assert (found.on, found.why, said) == (False, "it can't be had: no network", ["without Comet: no network"])
    with pytest.raises(DataflowError, match="no network"):
        ready(Acceleration(True, "wanted", required=True), None, Environment("sandbox"), said.append)
    assert ready(NONE, None, Environment("sandbox"), said.append) is NONE  # and asks for no jar


def test_who_wants_it_by_name_is_told_why_it_is_off_and_nobody_else_is():
    said = []
    for required in (True, False):
        off = Acceleration(False, "spark.master is yarn", required)
        assert ready(off, None, Environment("sandbox"), said.append) is off
    assert said == ["without Comet: spark.master is yarn"]


def test_the_native_library_is_unpacked_once_and_whole(monkeypatch, home):
    file = home / "jars" / jars.COMET.file_name
    file.parent.mkdir(parents=True)
    entry = f"org/apache/comet/linux/{comet._ARCHITECTURES[platform.machine()]}/libcomet.so"
    with zipfile.ZipFile(file, "w") as jar:
        jar.writestr(entry, b"native code")
    monkeypatch.setattr(jars, "ensure", lambda *_: [file])
    wanted = Acceleration(True, "many rows")
    for _ in range(2):
        assert ready(wanted, None, Environment("sandbox"), print).on
    (library,) = (home / "native").rglob("*.so")
    assert library.read_bytes() == b"native code"
    assert library.parent == Path(settings(Environment("sandbox"), comet=True)["spark.driver.extraLibraryPath"])
    assert list(library.parent.iterdir()) == [library]


def test_what_fell_back_is_counted_by_operator_and_reason():
    found = Executed()
    found.add(EXPLAINED)
    found.add("CometProject\nComet accelerated 1 out of 1 eligible operators (100%). Final plan contains 0 transitions")
    found.add(
        "Execute SetCommand\n\nComet accelerated 0 out of 2 eligible operators (0%). Final plan contains 0 transitions"
    )
    found.add("LocalTableScan\n")
    assert found.as_dict() == {
        "native": 5,
        "operators": 8,
        "fell_back": [
            {"operator": "HashAggregate", "reason": "Unsupported aggregate: percentile, a, b", "times": 2},
            {"operator": "Window", "reason": "window function lag is not supported", "times": 1},
        ],
    }
    assert Acceleration(True, "20 rows").recorded(found)["native"] == 5
    assert Acceleration(False, "few rows").recorded(found) == {"name": None, "why": "few rows"}
