"""Files of any content end in a message of ours: mutated at random, for FUZZ_SECONDS in all, from FUZZ_SEED."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import random
import re
import signal
import time
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflow.deploy.backends.moments import latest_moment, next_moment
from dataflow.deploy.bundle.manifest import Schedule
from dataflow.errors import DataflowError
from dataflow.foreign import for_html, for_mermaid, for_terminal, for_terminal_line
from dataflow.secret import has_credentials, learn_address, masked, without_credentials
from dataflow.workflow.checks import cron_mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("FUZZ_SEED", str(random.SystemRandom().randrange(2**32))))
LONGEST = 10  # seconds that one file may take

DEFINITION = """\
version: 1
workflow: {id: "${dataflow.package_id}.all", owner: "${dataflow.owner}", tags: [a], description: d}
trigger: {cron: "0 3 * * *", timezone: Europe/Berlin}
notifications: {on_failure: [owner, a@b.c], on_success: ["${secret:HOOK}"]}
params: {EXECUTION_DATE: "${dataflow.yesterday}", N: 3, T: "${TARGET_DB}.x", FROM: 2026-01-01, TO: 2026-01-03}
jobs:
  - job:
      {id: a, type: Spark, spark: {script: ./write.sql, params: {SOURCE: x.y, TARGET: "${T}"}}, retries: 2, timeout: 2h}
  - job: {id: n, type: Notification, notification: {to: [owner], subject: s, message: "${N}", webhook: "${secret:W}"}}
  - job: {id: h, type: HWM, hwm: {table: "${T}", datetime: "${EXECUTION_DATE}", timezone: UTC}}
  - job:
      id: au
      type: Audit
      audit:
        table: ${T}
        partition: {date: "${EXECUTION_DATE}"}
        audits:
          - {function: values_should_be_in, column: c, values: [1, a], blocking: false}
          - {function: sql_should_return_no_rows, sql: "SELECT * FROM ${AUDITED} WHERE x > ${N}", name: q}
          - {function: column_should_be_between, column: c, min: 1, max: 2.5}
          - {function: row_count_should_be_near_history, tolerance: 0.5, runs: 5}
  - template:
      id: wap
      type: wap
      table: ${T}
      partition: {date: "${EXECUTION_DATE}"}
      empty: keep
      write:
        - job: {id: w, type: Spark, spark: {script: ./write.sql, params: {SOURCE: x.y, TARGET: "${T}"}}}
      audits: [{function: columns_should_not_have_nulls, columns: [c]}]
  - foreach:
      id: f
      dates: {from: "${FROM}", to: "${TO}"}
      parallel: 2
      job:
        {id: m, type: Subworkflow, subworkflow: {file: ./main.sch.yaml, params: {EXECUTION_DATE: "${dataflow.each}"}}}
dag: ["a -> n", "n -> h", "h -> au -> wap -> f"]
"""
MAIN = """\
version: 1
workflow: {id: "${dataflow.package_id}.main"}
params: {EXECUTION_DATE: "${dataflow.yesterday}"}
jobs:
  - job: {id: a, type: Spark, spark: {script: ./write.sql, params: {SOURCE: x.y, TARGET: "${TARGET_DB}.t"}}}
"""
PROJECT = """\
version: 1
project: x
registry: ./reg
owners:
  alice:
    email: alice@example.org
    webhook: "${secret:HOOK}"
environments:
  sandbox:
    params:
      TARGET_DB: ${dataflow.user}_sandbox
    catalog: {name: lake, type: rest, uri: https://c.example.org}
    spark: {spark.master: "local[2]"}
  production:
    branch: main
    state: sqlite:///x.db
    params: {TARGET_DB: prod, OTHER: "${TARGET_DB}_x"}
    notifications: {smtp: {host: h, sender: s@x, port: 25, starttls: false}}
    openlineage: ./events
"""
MOCK = """\
table: a.b
key: [i]
partial: true
columns: {i: int, s: string, d: "decimal(10,2)", t: timestamp, n: timestamp_ntz, dt: date, b: binary, f: float,
  bo: boolean, a: "array<int>", m: "map<string, double>", st: "struct<x:int,y:array<string>>", v: void}
rows:
  - [1, "x", 1.25, "2026-01-31 12:30:00", "2026-01-31 12:30:00", "2026-01-31", "00ff", 1.0, true, [1, null], {"a": 1.0},
    {x: 1, y: ["q"]}, null]
  - {i: 2, s: null, d: 1, t: "2026-01-31T12:30:00Z", a: [], m: {}, st: {x: null}}
"""
TEST = """\
script: ./write.sql
params: {TARGET: a.b}
given:
  SOURCE: {columns: {id: int, hours: double}, rows: [[1, 2.5]]}
tests:
  ranks by hours:
    given:
      SOURCE: {columns: {id: int, hours: double}, rows: [[1, 2.5]]}
    expect:
      q: {rows: [{id: 1, hours: 2.5}], rtol: 0.01}
"""
EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-29T00:00:00Z",
    "run": {"runId": "01890000-0000-7000-8000-000000000001", "facets": {"tags": {"tags": [{"key": "a", "value": 1}]}}},
    "job": {"namespace": "n", "name": "j", "facets": {"ownership": {"owners": [{"name": "a", "type": "MAINTAINER"}]}}},
    "inputs": [{"namespace": "n", "name": "s.a", "facets": {"symlinks": {"identifiers": [{"name": "x.y"}]}}}],
    "outputs": [
        {
            "namespace": "n",
            "name": "s.b",
            "facets": {
                "columnLineage": {
                    "fields": {"c": {"inputFields": [{"namespace": "n", "name": "s.a", "field": "x"}]}},
                    "dataset": [{"namespace": "n", "name": "s.a", "field": "y", "transformations": [{"type": "X"}]}],
                }
            },
        }
    ],
}

VALUES = [
    "", "~", "null", "[]", "{}", "-1", "0", "9" * 23, "1e999", ".nan", ".inf", "true", "''", '"\\u0000"',
    '"\\ud800"', "&a [*a]", "*a", "!!python/object/apply:os.system [id]", "!!binary aGk=", "!!timestamp 2026-01-01",
    "!!set {a, b}", "2026-02-30", "0000-00-00", "9999-12-31", "0001-01-01", "10000-01-01", "${", "${}", "${X}",
    "${secret:}", "${secret:A}", "$${X}", "${dataflow.}", "${dataflow.each}", "${dataflow.jar.x}", "a\\nb", "|\n  x",
    ">-\n  y", "../../etc/passwd", "/dev/null", ".", "/", "a" * 5000, "😀", "\u202e", "\x7f", "١٢", "²",
    "{a: {b: {c: 1}}}", "[[[[[1]]]]]", "? [a]\n: b", "<<: {a: 1}", "1:30", "1_000", "0x1f", "1d", "999999999d",
    "9" * 400 + "d", "inf", "-0", "1.", "a -> b", "a -> a", "->", "*/0 * * * *", "* * * * 8", "0 3 31 2 *",
    "a.b.c.d", "`", "';--", "array<", "decimal(99,1)", "decimal(²,1)", "struct<>", "map<array<int>,int>",
    "struct<a:int,a:int>", "array<" * 3000, "array<" * 1000 + "int" + ">" * 1000, "varchar(x)",
    '"9999-12-31 23:59:59.999999+00:00"', '"0001-01-01 00:00:00+14:00"', '"9999-12-31T23:59:59-23:59"', "UTC",
    "Europe/../../etc/passwd", '"a/\\0b"', "posixrules", "latest", "2026-W01-1", "20260101", "[owner, 1, null]",
    "{last: 99999999}", "{from: 0001-01-01, to: 9999-12-31}", "{last: 0}", "HTTPS://u:S@",
    "postgresql+psycopg:/u:S@h/d", "s3://K:S@b", "x://[", "http://[::1", "sqlite:///a\\0b", "{a: &x {b: *x}}",
    '{"a": 1}', "1e400",
]  # fmt: skip
LETTERS = [*"\t \n:-[]{}#&*!|>'\"%@`,?\\=/", "\u2028", "\x85", "\ufeff", "\x00", "\x07", "\x1b[31m", "${A}", "&a", "*a"]


@dataclass(frozen=True)
class Target:
    """What is mutated, and what reads it."""

    name: str
    text: str
    read: Callable[[Path], object]


def _definition(file: Path) -> object:
    from dataflow.runner.plan import plan_run
    from dataflow.workflow.load import load_workflow

    found = plan_run(load_workflow(file))
    return for_terminal(found.render_text()), json.dumps(found.to_dict(), default=str)


def _project(file: Path) -> object:
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.targets import branch_target, sandbox_target
    from dataflow.spark.config import settings
    from dataflow.workflow.load import Request, load_workflow
    from dataflow.workflow.project import environment, find_project

    project = find_project(file.parent)
    for name in list(project.environments):
        settings(environment(project, name))
        load_workflow(file.parent / "main.sch.yaml", Request(env=name))
    open_registry(project)
    return sandbox_target(project), branch_target("feature/x", project)


def _mock(file: Path) -> object:
    from dataflow.mocks.load import load_mock
    from dataflow.mocks.rewrite import rewritten_mock
    from dataflow.mocks.validate import check_mock
    from dataflow.mocks.write import render_mock

    check_mock(file, None)
    mock = load_mock(file)
    render_mock(mock)
    return rewritten_mock(file, dataclasses.replace(mock, rows=mock.rows[:-1]))


def _test(file: Path) -> object:
    from dataflow.testing.data_tests.definition import load_tests

    types = {"id": "int", "hours": "double"}
    return [rows.read(types) for test in load_tests(file) for rows in (*test.given.values(), *test.expect.values())]


def _answers(file: Path) -> object:
    from dataflow.sample.update import _answers

    return _answers(file.parent)


def _events(file: Path) -> object:
    from dataflow.lineage.openlineage.ingest import import_events
    from dataflow.lineage.store.reader import LineageStore
    from dataflow.state.database import StateDatabase

    address = f"sqlite:///{file.parent / 'state.db'}"
    with StateDatabase(address) as database:
        import_events(file, database, "dataflow")
    store = LineageStore(address)
    tables = store.tables()
    return [
        *store.readers(tables),
        *store.writers(tables),
        *store.flows(tables, downstream=True),
        *map(store.columns, tables),
    ]


def _cron(file: Path) -> object:
    text, zone, moment = [*file.read_text(encoding="utf-8", errors="replace").split("\n"), "", ""][:3]
    if cron_mistake(text) is not None:
        return None
    zone = zone if zone in zoneinfo.available_timezones() else "Europe/Berlin"
    try:
        at = dt.datetime.fromisoformat(moment).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        at = dt.datetime(2026, 10, 25, 0, 59, tzinfo=dt.UTC)
    if not 1800 < at.year < 2200:
        return None
    schedule = Schedule(cron=text, timezone=zone)
    assert latest_moment(schedule, at) <= at < next_moment(schedule, at)
    return None


def _words(file: Path) -> object:
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    learn_address(text)
    assert not has_credentials(without_credentials(text))
    masked(json.dumps(text))
    return [shown(masked(text)).encode() for shown in (for_terminal, for_terminal_line, for_html, for_mermaid)]


TARGETS = [
    Target("all.sch.yaml", DEFINITION, _definition),
    Target("main.sch.yaml", MAIN, _definition),
    Target("dataflow.yaml", PROJECT, _project),
    Target("identity.yaml", "owner: a\npackage_id: a.p\nuuid: 22222222-1111-4111-8111-111111111111\n",
           lambda file: _definition(file.parent / "main.sch.yaml")),
    Target("m.yaml", MOCK, _mock),
    Target("write.test.yaml", TEST, _test),
    Target(".copier-answers.yml", "_commit: v1\n_src_path: /x\nrecipe: spark-sql\n", _answers),
    Target("events.json", json.dumps(EVENT, indent=1), _events),
    Target("cron", "*/15 2-5/2 1,31 feb-apr mon\nEurope/Berlin\n2026-10-25T00:59:00+00:00", _cron),
    Target("words", "see https://bob:S3cr3t@h:1/x?a=1&token=S3#f and [b] <i>\x1b[1m\u2028", _words),
]  # fmt: skip


def mutated(text: str, random_: random.Random) -> bytes:  # noqa: C901 - a list of ways
    """Return a text with a few things in it wrong."""
    for _ in range(random_.choice([1, 1, 1, 2, 3])):
        lines = text.split("\n")
        at, cut = random_.randrange(len(lines)), random_.randrange(len(text) + 1)
        match random_.randrange(9):
            case 0:
                del lines[at]
                text = "\n".join(lines)
            case 1:
                lines.insert(random_.randrange(len(lines)), lines[at])
                text = "\n".join(lines)
            case 2 | 3:
                if ":" in lines[at]:
                    lines[at] = f"{lines[at].partition(':')[0]}: {random_.choice(VALUES)}"
                text = "\n".join(lines)
            case 4 | 5:
                words = list(re.finditer(r"[\w.${}/-]+", text))
                if words:
                    word = random_.choice(words)
                    text = f"{text[: word.start()]}{random_.choice(VALUES)}{text[word.end() :]}"
            case 6:
                text = f"{text[:cut]}{random_.choice(LETTERS)}{text[cut:]}"
            case 7:
                text = text[:cut] + text[cut + random_.randrange(1, 20) :]
            case _:
                lines[at] = " " * random_.randrange(5) + lines[at].lstrip()
                text = "\n".join(lines)
    raw = text.encode("utf-8", "surrogatepass")
    if random_.random() < 0.02:
        at = random_.randrange(len(raw) + 1)
        raw = raw[:at] + bytes([random_.randrange(256)]) + raw[at + 1 :]
    return raw


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Interrupt what takes longer."""

    def over(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda it: it.name)
def test_any_content_ends_in_a_message_of_ours(target, tmp_path, monkeypatch, record_property):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.chdir(tmp_path)
    for it in TARGETS[:4]:
        (tmp_path / it.name).write_text(it.text)
    (tmp_path / "write.sql").write_text(
        "INSERT INTO ${TARGET} WITH q AS (SELECT id, hours FROM ${SOURCE}) SELECT id, hours FROM q WHERE id > 0"
    )
    file = tmp_path / target.name
    file.write_text(target.text)
    target.read(file)  # as it stands it is good

    print(f"FUZZ_SEED={SEED}")
    record_property("seed", SEED)
    random_ = random.Random(f"{SEED} {target.name}")  # noqa: S311 - to be had again by its seed
    count, end = 0, time.monotonic() + SECONDS / len(TARGETS)
    while time.monotonic() < end:
        data, count = mutated(target.text, random_), count + 1
        file.write_bytes(data)
        try:
            with at_most(LONGEST):
                target.read(file)
        except DataflowError as error:
            str(error).encode()
        except Exception as error:
            (tmp_path / "found").write_bytes(data)
            shown = data if len(data) < 6000 else data[:3000]
            raise AssertionError(f"FUZZ_SEED={SEED}, file {count}: {type(error).__name__} from {shown!r}") from error
    print(f"{count} files")
