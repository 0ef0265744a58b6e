"""A small workflow package, its source table, and a way to run it in the session that tests share."""

from __future__ import annotations

import itertools
import textwrap

import pytest

from tests.support.packages import DAY, EVERY_DAY, HWM, definition, each_day, metadata, spark, wap

_numbers = itertools.count(1)

DDL = """
CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id INT COMMENT 'the id', hours DOUBLE, date DATE)
USING iceberg PARTITIONED BY (date);
"""
WRITE = """
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}')
SELECT id, hours FROM ${SOURCE_TABLE} WHERE date = DATE '${EXECUTION_DATE}';
"""
AUDITS = """\
      audits:
        - function: columns_should_be_unique
          columns: [date, id]
        - function: columns_should_not_have_nulls
          columns: [hours]
          blocking: false
"""


def main(source):
    """Return the definition of a workflow that reads a table."""
    return definition(
        spark("ddl.sql", "ddl"),
        metadata("[date, id]", "        tags: [a, b]\n        lifetime_days: 9\n"),
        wap(spark("write.sql"), by={"date": DAY}, audits=AUDITS),
        HWM,
        params={**EVERY_DAY, "SOURCE_TABLE": source, "TARGET_TABLE": "${TARGET_DB}.results"},
    )


BACKFILL = definition(
    each_day(
        "from: ${FROM_DATE}\nto: ${TO_DATE}",
        file="main.sch.yaml",
        parallel="${PARALLEL}",
        more="        on_failure: stop\n",
    ),
    name="${dataflow.package_id}.backfill",
    params={"PARALLEL": "1", "FROM_DATE": "2026-01-01", "TO_DATE": "2026-01-04"},
)


class Package:
    """A small workflow package, its source table, and a way to run it in this test's session."""

    def __init__(self, spark, folder, user):
        self.spark = spark
        self.folder = folder
        self.user = user
        self.source = f"source_{user}.viewing"
        self.target = f"{user}_sandbox.results"
        folder.mkdir(parents=True)
        self.write("ddl.sql", DDL)
        self.write("write.sql", WRITE)
        self.write("main.sch.yaml", main(self.source))
        self.write("backfill.sch.yaml", BACKFILL)
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS source_{user}")
        spark.sql(f"CREATE TABLE {self.source} (id INT, hours DOUBLE, date DATE) USING iceberg PARTITIONED BY (date)")

    def write(self, name, text):
        (self.folder / name).write_text(textwrap.dedent(text).lstrip())

    def edit(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text, text
        (self.folder / name).write_text(text.replace(old, new))

    def add_source(self, *rows):
        """Add (id, hours, day of January) rows to the source."""
        values = ", ".join(
            f"({id_}, {'NULL' if hours is None else f'{hours}D'}, DATE '2026-01-{day:02}')" for id_, hours, day in rows
        )
        self.spark.sql(f"INSERT INTO {self.source} VALUES {values}")

    def load(self, name="main.sch.yaml", day=1, **params):
        import datetime as dt

        from dataflow.workflow.load import Request, load_workflow

        date = None if day is None else dt.date(2026, 1, day)
        return load_workflow(self.folder / name, Request(params=params, date=date))

    def runner(self, progress=None, **services):
        from dataflow.runner.context import RunContext
        from dataflow.runner.progress import NoProgress
        from dataflow.runner.runner import Runner
        from dataflow.state.database import StateDatabase
        from dataflow.state.run_records import RunRecords

        self.records = RunRecords(StateDatabase(f"sqlite:///{self.folder.parent / 'state.db'}"))
        log = self.folder / "run.log"
        return Runner(RunContext(self.spark, self.records, progress or NoProgress(), log, **services))

    def run(self, name="main.sch.yaml", day=1, *, only=None, adopt=False, services=None, **params):
        from dataflow.runner.options import RunOptions

        return self.runner(**(services or {})).run(self.load(name, day, **params), RunOptions(only, adopt))

    def rows(self):
        """Return (id, day of January) of all rows that a reader sees."""
        found = self.spark.sql(f"SELECT id, day(date) AS day FROM {self.target}").collect()
        return sorted((row.id, row.day) for row in found)

    def refs(self):
        from dataflow.tables.iceberg import load

        return {str(ref) for ref in load(self.spark, self.target).refs()}


@pytest.fixture
def package(spark, tmp_path, monkeypatch):
    """A package of a user that no other test has."""
    user = f"runner{next(_numbers)}"
    monkeypatch.setenv("DATAFLOW_USER", user)
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return Package(spark, tmp_path / "package", user)
