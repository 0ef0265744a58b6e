"""A small package to test the plugin with, its tests run by pytest inside pytest on the same JVM."""

import pytest
from pyspark.sql import SparkSession

DDL = """\
CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (title_id INT, title_rank INT, view_hours DOUBLE, date DATE)
USING iceberg PARTITIONED BY (date);
"""
SQL = """\
-- Ranks the titles of a day.
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}')
SELECT title_id, RANK() OVER (ORDER BY view_hours DESC) AS title_rank, view_hours
FROM ${SOURCE_TABLE}
WHERE date = DATE '${EXECUTION_DATE}' AND view_hours > 0;
"""
SOURCE = """\
table: demo.playback
columns: {title_id: int, view_hours: double, date: date}
rows:
  - [1, 9.5, "2026-01-31"]
  - [2, 9.5, "2026-01-31"]
  - [3, 4.0, "2026-01-31"]
  - [4, 0.0, "2026-01-31"]
"""
EXPECTED = """\
columns: {title_id: int, title_rank: int, view_hours: double, date: date}
rows:
  - [1, 1, 9.5, "2026-01-31"]
  - [2, 1, 9.5, "2026-01-31"]
  - [3, 3, 4.0, "2026-01-31"]
"""
TEST = """\
from pathlib import Path

def test_titles_are_ranked(dataflow):
    source, target = dataflow.mock("mocks/demo.playback.yaml"), dataflow.table("../ddl/titles.sql")
    dataflow.run_script("write.sql", SOURCE_TABLE=source, TARGET_TABLE=target, EXECUTION_DATE="2026-01-31")
    dataflow.assert_rows(target, "mocks/titles.yaml", key="title_id")
"""


@pytest.fixture
def package(pytester: pytest.Pytester, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A package, whose tests get the session that runs already, with an engineer at work on it: CI runs us, not it."""
    monkeypatch.setenv("CI", "")
    spark.createDataFrame([], "id INT")  # makes it the active one again, whichever a job of another test made that
    assert SparkSession.getActiveSession() is spark
    files = {
        "ddl/titles.sql": DDL,
        "src/write.sql": SQL,
        "src/mocks/demo.playback.yaml": SOURCE,
        "src/mocks/titles.yaml": EXPECTED,
        "src/test_write.py": TEST,
        "conftest.py": "import pytest\nfrom pyspark.sql import SparkSession\n\n"
        "@pytest.fixture(scope='session')\ndef spark():\n    return SparkSession.getActiveSession()\n",
    }
    for name, text in files.items():
        file = pytester.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return pytester
