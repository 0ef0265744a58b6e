"""The recipes' own code with Comet and without: the same golden rows, in files with the same statistics."""

from __future__ import annotations

import importlib.util
import subprocess
import warnings
from string import Template

import pytest

from dataflow.jobs.spark.jar import ProgramJar, run_jar
from dataflow.lineage.spark_plan.listener import LineageListener
from dataflow.mocks import load_mock, to_values_sql
from dataflow.spark.guard import EVERYTHING, open_session
from tests.optional_tools import SPARKLYR_RECIPE
from tests.support.comet import BOTH, MARKS, comet, files_of, writers
from tests.support.places import EXAMPLES, ROOT
from tests.support.scala import compiled
from tests.support.two_engines import rows_of, spark_answer

pytestmark = MARKS

RENDER = ROOT / "tests" / "recipes" / "render.R"
R = pytest.mark.tools(*SPARKLYR_RECIPE)
PERIODS = {
    "daily": ("2026-01-30", "2026-01-31"),
    "hourly": ("2026-01-31T19:00", "2026-01-31T20:00"),
    "weekly": ("2026-01-19", "2026-01-26"),
    "monthly": ("2025-12-01", "2026-01-01"),
}
CADENCES = [(recipe, cadence) for recipe in ("spark-sql", "pyspark") for cadence in ("hourly", "weekly", "monthly")]


class Quiet:
    """What a program's run does for it, where nobody looks."""

    def print_line(self, line):
        pass

    log_line = print_line

    def is_cancelled(self):
        return False


def by_sql(text):
    return lambda spark, args: spark.sql(Template(text).substitute(args))


def spark_sql(folder, _):
    return by_sql((folder / "src" / "sparksql_write.sql").read_text())


def pyspark(folder, _):
    spec = importlib.util.spec_from_file_location("pyspark_write", folder / "src" / "pyspark_write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda spark, args: module.main(args, spark)


def scala(folder, tmp_path):
    (source,) = folder.rglob("TopTitles.scala")
    jar = ProgramJar(compiled(source.read_text(), tmp_path / "recipe.jar"))
    return lambda spark, args: run_jar(spark, jar, "playback.TopTitles", args, Quiet())


def sparklyr(folder, _):
    done = subprocess.run(["Rscript", RENDER, folder / "src"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return by_sql(done.stdout)


WRITES = {"spark-sql": spark_sql, "pyspark": pyspark, "scala": scala, "sparklyr": sparklyr}


def generated(recipe, cadence, folder):
    """Return a package of a recipe: the example of a day, or one that Copier makes here."""
    if cadence == "daily":
        return EXAMPLES / f"{recipe.replace('-', '')}-workflow"
    from copier import run_copy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # uncommitted changes of the recipe are meant to be tested
        answers = {"recipe": recipe, "cadence": cadence, "workflow_id": "alice.golden"}
        run_copy(str(ROOT), folder, data=answers, vcs_ref="HEAD", defaults=True, unsafe=True, quiet=True)
    return folder


@pytest.mark.parametrize(
    ("recipe", "cadence"),
    [
        *((it, "daily") for it in ("spark-sql", "pyspark", "scala")),
        pytest.param("sparklyr", "daily", marks=R),
        *(pytest.param(*it, marks=pytest.mark.nightly) for it in CADENCES),
    ],
)
def test_a_recipe_writes_its_golden_rows_in_equal_files_with_comet_and_without(with_comet, tmp_path, recipe, cadence):
    spark, _ = with_comet
    folder = generated(recipe, cadence, tmp_path / "package")
    mocks = {"_results" in it.name: load_mock(it) for it in sorted((folder / "src" / "mocks").iterdir())}
    (ddl,) = (folder / "ddl").iterdir()
    write, name = WRITES[recipe](folder, tmp_path), f"cometed.{recipe.replace('-', '')}_{cadence}"
    spark.sql(f"CREATE TABLE {name} USING iceberg AS {to_values_sql(mocks[False])}")
    rows, files = [], []
    for on in BOTH:
        target, lineage = f"{name}_{on}", LineageListener()
        spark.sql(Template(ddl.read_text()).substitute(TARGET_TABLE=target))
        for period in PERIODS[cadence]:
            job = open_session(spark, EVERYTHING)  # as each job of a run has one
            lineage.watch(job)
            with comet(job, on):
                write(job, {"SOURCE_TABLE": name, "TARGET_TABLE": target, "EXECUTION_DATE": period})
            lineage.unwatch(job)
        assert (lineage.native().native > 0) is on
        rows.append(sorted(rows_of(spark_answer(spark, f"SELECT * FROM {target}")), key=repr))
        files.append(files_of(spark, target))
    assert rows[0] == rows[1]
    assert files[0] == files[1]
    found = {(title, country, period): (rank, float(hours)) for title, country, rank, hours, period in rows[0]}
    expected = {
        (title, country, period): (rank, pytest.approx(float(hours), rel=1e-9))
        for title, country, rank, hours, period in mocks[True].rows
    }
    assert len(found) == len(rows[0])
    assert found == expected


def test_files_have_the_statistics_the_order_and_the_writer_that_spark_alone_gives_them(with_comet):
    spark, reports = with_comet
    layouts = {
        "as they are": "",
        "sorted": "WRITE ORDERED BY n DESC NULLS FIRST, d",
        "by a bucket": "WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY s",
    }
    queries = {
        "copied": "SELECT * FROM edges",
        "grouped": "SELECT min(id) AS id, d, n, s, ts, max(f) AS f, count(*) AS k FROM edges GROUP BY d, n, s, ts",
        "without rows": "SELECT * FROM edges WHERE id < 0",
    }
    made, before = 0, len(writers(spark, reports))
    for layout, ordered in layouts.items():
        for name, query in queries.items():
            files = []
            for on in BOTH:
                made += 1
                table = f"cometed.stats_{made}"
                partitioned = "PARTITIONED BY (bucket(2, id))" if "bucket" in layout else ""
                spark.sql(f"CREATE TABLE {table} USING iceberg {partitioned} AS {query} LIMIT 0")
                if ordered:
                    spark.sql(f"ALTER TABLE {table} {ordered}")
                with comet(spark, on):
                    spark.sql(f"INSERT INTO {table} {query}")
                files.append((files_of(spark, table), in_file_order(spark, table) if "sorted" in layout else None))
            assert files[0] == files[1], (layout, name)
            assert bool(files[0][0]) == (name != "without rows")
    said = writers(spark, reports)[before:]
    assert len(said) >= made
    assert set(said) == {"spark"}


def in_file_order(spark, table):
    """Return a table's rows as they stand in its files."""
    from pyspark.sql.functions import col

    found = spark.table(table).select("*", col("_file"), col("_pos")).orderBy("_file", "_pos").collect()
    return [repr(tuple(row)[:-2]) for row in found]


def test_a_session_that_could_write_natively_does_not_as_the_settings_say(with_comet):
    spark, _ = with_comet
    assert spark.conf.get("spark.comet.write.iceberg.enabled") == "false"
    assert spark.conf.get("spark.comet.write.parquet.enabled") == "false"
    conf = spark._jvm.org.apache.comet.CometConf
    known = {str(conf.COMET_ICEBERG_NATIVE_WRITE_ENABLED().key()), str(conf.COMET_NATIVE_PARQUET_WRITE_ENABLED().key())}
    assert known == {"spark.comet.write.iceberg.enabled", "spark.comet.write.parquet.enabled"}
