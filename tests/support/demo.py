"""Thirty workflows in three repositories and four languages, whose lineage is known because it is written here."""

from __future__ import annotations

import subprocess
import textwrap
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.packages import DAY, EVERY_DAY, definition, spark, wap

DATE = "2026-01-01"
COLUMNS = ("id", "country", "name", "hours")
DDL = """\
CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id INT, country STRING, name STRING, hours DOUBLE, date DATE)
USING iceberg PARTITIONED BY (date);
"""
INSERT = "INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}')\n"
TODAY = "date = DATE '${EXECUTION_DATE}'"


def same(table="1"):
    """Return the flows of columns that are taken as they are, and of the day that is filtered by."""
    return {(f"{table}.{name}", name) for name in COLUMNS} | {(f"{table}.date", "")}


def swapped(changes, table="1"):
    """Return the flows of `same` with some columns made of others."""
    found = {flow for flow in same(table) if flow[1] not in changes}
    return found | {(source, into) for into, sources in changes.items() for source in sources}


SQL = {
    "copy": (INSERT + f"SELECT id, country, name, hours FROM ${{SOURCE_TABLE}} WHERE {TODAY}", same()),
    "sum": (
        INSERT + "SELECT id, max(country), min(name), sum(hours)\n"
        f"FROM ${{SOURCE_TABLE}} WHERE {TODAY} GROUP BY id HAVING count(*) > 0",
        same() | {("1.id", "")},
    ),
    "join": (
        INSERT + "SELECT a.id, b.country, upper(a.name), a.hours + b.hours AS hours\n"
        f"FROM ${{SOURCE_TABLE}} a JOIN ${{SECOND_TABLE}} b ON a.id = b.id WHERE a.{TODAY}",
        swapped({"country": ["2.country"], "hours": ["1.hours", "2.hours"]}) | {("1.id", ""), ("2.id", "")},
    ),
    "rank": (
        INSERT + "SELECT id, country, name, CAST(rank() OVER (PARTITION BY country ORDER BY hours DESC) AS DOUBLE)\n"
        f"FROM ${{SOURCE_TABLE}} WHERE {TODAY}",
        swapped({"hours": ["1.country", "1.hours"]}),
    ),
    "union": (
        INSERT + f"SELECT id, country, name, hours FROM ${{SOURCE_TABLE}} WHERE {TODAY}\n"
        f"UNION ALL SELECT id, country, 'second', hours FROM ${{SECOND_TABLE}} WHERE {TODAY}",
        same() | {("2.id", "id"), ("2.country", "country"), ("2.hours", "hours"), ("2.date", "")},
    ),
    "view": (
        "CREATE OR REPLACE TEMPORARY VIEW today AS SELECT * FROM ${SOURCE_TABLE} WHERE "
        + TODAY
        + ";\n"
        + INSERT
        + "SELECT id, country, concat(name, '!') AS name, hours FROM today WHERE hours > 0",
        same() | {("1.hours", "")},
    ),
    "star": (INSERT + f"SELECT * EXCEPT (date) FROM ${{SOURCE_TABLE}} WHERE {TODAY}", same()),
    "exists": (
        INSERT + f"SELECT id, country, name, hours FROM ${{SOURCE_TABLE}} a WHERE {TODAY}\n"
        "AND EXISTS (SELECT 1 FROM ${SECOND_TABLE} b WHERE b.id = a.id AND b.hours > 1)",
        same() | {("1.id", ""), ("2.id", ""), ("2.hours", "")},
    ),
}
PYTHON = {
    "frame": (
        "frame = today(args, spark)\nframe = frame.select('id', 'country', F.lower('name').alias('name'), 'hours')",
        same(),
    ),
    "sum": (
        "frame = today(args, spark).groupBy('id').agg(\n"
        "    F.max('country').alias('country'), F.min('name').alias('name'), F.sum('hours').alias('hours'))",
        same() | {("1.id", "")},
    ),
    "join": (
        "second = spark.table(args['SECOND_TABLE']).select('id', F.col('hours').alias('more'))\n"
        "frame = today(args, spark).join(second, 'id')\n"
        "frame = frame.withColumn('hours', F.col('hours') + F.col('more'))",
        swapped({"hours": ["1.hours", "2.hours"]}) | {("1.id", ""), ("2.id", "")},
    ),
    "sql": (
        "today(args, spark).createOrReplaceTempView('mine')\n"
        "frame = spark.sql('SELECT id, country, name, hours * 2 AS hours FROM mine WHERE hours > 0')",
        same() | {("1.hours", "")},
    ),
    "udf": (
        "joined = F.udf(lambda a, b: f'{a}{b}')\n"
        "frame = today(args, spark).withColumn('name', joined('country', 'name'))",
        swapped({"name": ["1.country", "1.name"]}),
    ),
}
PYTHON_FILE = """\
from pyspark.sql import functions as F


def today(args, spark):
    return spark.table(args["SOURCE_TABLE"]).where(F.col("date") == F.lit(args["EXECUTION_DATE"]).cast("date"))


def main(args, spark):
{body}
    frame = frame.withColumn("date", F.lit(args["EXECUTION_DATE"]).cast("date"))
    frame.select("id", "country", "name", "hours", "date").writeTo(args["TARGET_TABLE"]).overwritePartitions()
"""
SCALA = {
    "frame": ('today.select(col("id"), col("country"), upper(col("name")).as("name"), col("hours"))', same()),
    "sum": (
        'today.groupBy("id").agg(max("country").as("country"), min("name").as("name"), sum("hours").as("hours"))',
        same() | {("1.id", "")},
    ),
    "typed": ("today.as[Row].map(row => row.copy(hours = row.hours * 2)).toDF()", same()),
}
SCALA_FILE = """\
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.functions._

object {object} {{
  case class Row(id: Option[Int], country: String, name: String, hours: Double, date: java.sql.Date)

  def run(spark: SparkSession, args: Map[String, String]): Unit = {{
    import spark.implicits._
    val day = lit(args("EXECUTION_DATE")).cast("date")
    val today = spark.table(args("SOURCE_TABLE")).where(col("date") === day)
    val found = {body}
    found.select($"id", $"country", $"name", $"hours", day.as("date"))
      .writeTo(args("TARGET_TABLE")).overwritePartitions()
  }}
}}
"""
R = {
    "frame": ("source |> mutate(hours = hours * 2)", same()),
    "sum": (
        "source |> group_by(id) |>\n    summarise(country = max(country), name = min(name), hours = sum(hours))",
        same() | {("1.id", "")},
    ),
    "filter": ("source |> filter(hours > 0)", same() | {("1.hours", "")}),
}
R_FILE = """\
library(dplyr)
library(sparklyr)

main <- function(args, spark) {{
  day <- as.Date(args$EXECUTION_DATE)
  source <- tbl(spark, I(args$SOURCE_TABLE)) |> filter(date == as.Date(day))
  found <- {body}
  found |>
    mutate(date = as.Date(day)) |>
    select(id, country, name, hours, date) |>
    spark_insert_table(args$TARGET_TABLE, overwrite = TRUE)
}}
"""
LANGUAGES = {"sql": SQL, "python": PYTHON, "scala": SCALA, "r": R}

OWNERS = {"ingest": ["alice"], "models": ["bob", "carol"], "reports": ["dave", "erin"]}
PLAN = [  # repository, name, language, pattern, first source, second source
    ("ingest", "plays", "sql", "copy", "raw.plays", None),
    ("ingest", "titles", "sql", "sum", "raw.titles", None),
    ("ingest", "people", "python", "frame", "raw.people", None),
    ("ingest", "devices", "sql", "star", "raw.devices", None),
    ("ingest", "late", "python", "sql", "raw.plays", None),
    ("ingest", "clean", "sql", "view", "ingest.plays", None),
    ("ingest", "geo", "scala", "frame", "raw.people", None),
    ("ingest", "rates", "r", "frame", "raw.rates", None),
    ("models", "viewing", "sql", "join", "ingest.clean", "ingest.titles"),
    ("models", "ranks", "sql", "rank", "models.viewing", None),
    ("models", "audience", "python", "join", "ingest.people", "ingest.plays"),
    ("models", "all_plays", "sql", "union", "ingest.plays", "ingest.late"),
    ("models", "active", "sql", "exists", "ingest.people", "ingest.plays"),
    ("models", "labels", "python", "udf", "models.viewing", None),
    ("models", "hours", "scala", "sum", "models.all_plays", None),
    ("models", "doubled", "scala", "typed", "ingest.clean", None),
    ("models", "places", "r", "sum", "ingest.geo", None),
    ("models", "people_hours", "python", "sum", "models.audience", None),
    ("models", "known", "sql", "exists", "models.active", "models.audience"),
    ("reports", "top", "sql", "copy", "models.ranks", None),
    ("reports", "board", "sql", "join", "models.ranks", "models.hours"),
    ("reports", "week", "sql", "sum", "models.viewing", None),
    ("reports", "people", "python", "frame", "models.people_hours", None),
    ("reports", "map", "r", "filter", "models.places", None),
    ("reports", "names", "sql", "view", "models.labels", None),
    ("reports", "both", "sql", "union", "reports.top", "reports.week"),
    ("reports", "money", "python", "join", "reports.board", "ingest.rates"),
    ("reports", "best", "sql", "rank", "reports.both", None),
    ("reports", "yearly", "python", "sum", "reports.both", None),
    ("reports", "everything", "sql", "star", "reports.best", None),
]


@dataclass
class Flow30:
    """One workflow of the demo, and what is true of it."""

    repository: str
    name: str
    language: str
    owner: str
    folder: Path
    tables: set[tuple[str, str]] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)

    @property
    def id(self):
        return f"{self.owner}.{self.name}.main"

    @property
    def target(self):
        return f"{self.repository}.{self.name}"

    @property
    def file(self):
        return self.folder / "main.sch.yaml"


def write_demo(root, java=None, jars=None):
    """Write the three repositories; Scala is compiled where a JVM and Spark's jars are given."""
    found = []
    for number, (repository, name, language, pattern, first, second) in enumerate(PLAN):
        owners = OWNERS[repository]
        folder = root / repository / name
        folder.mkdir(parents=True)
        (root / repository / ".git").mkdir(exist_ok=True)  # what makes a folder a checkout
        flow = Flow30(repository, name, language, owners[number % len(owners)], folder)
        body, truth = LANGUAGES[language][pattern]
        places = {"1": first, "2": second}
        flow.tables = {(places[source[0]], flow.target) for source, _ in truth}
        flow.columns = {
            (f"{places[s[0]]}{s[1:]}", f"{flow.target}.{into}" if into else flow.target) for s, into in truth
        }
        script = _write_script(flow, body)
        tables = {"SOURCE_TABLE": first, "SECOND_TABLE": second, "TARGET_TABLE": flow.target}
        params = EVERY_DAY | {param: table for param, table in tables.items() if table}
        write = wap(spark(script), by={"date": DAY}, settings="      empty: keep\n")
        flow.file.write_text(definition(spark("ddl.sql", "ddl"), write, name=flow.id, owner=flow.owner, params=params))
        (folder / "ddl.sql").write_text(DDL)
        found.append(flow)
    if java is not None:
        _compile([flow for flow in found if flow.language == "scala"], java, jars)
    return found


def _write_script(flow, body):
    if flow.language == "sql":
        (flow.folder / "write.sql").write_text(body + ";\n")
        return "write.sql"
    if flow.language == "python":
        (flow.folder / "write.py").write_text(PYTHON_FILE.format(body=textwrap.indent(body, "    ")))
        return "write.py"
    if flow.language == "r":
        (flow.folder / "write.R").write_text(R_FILE.format(body=body))
        return "write.R"
    source = flow.folder / "src" / "main" / "scala" / "Write.scala"
    source.parent.mkdir(parents=True)
    source.write_text(SCALA_FILE.format(object=f"Write{flow.name.title()}", body=body))
    (flow.folder / "build.sbt").write_text('name := "write"\n')
    (flow.folder / "target").mkdir()
    return f"target/write.jar\n        class: Write{flow.name.title()}"


def _compile(flows, java, jars):
    """Compile by the Scala compiler among Spark's own jars, all at once: a tenth of sbt's time."""
    classes = flows[0].folder / "target" / "classes"
    classes.mkdir()
    sources = [str(flow.folder / "src" / "main" / "scala" / "Write.scala") for flow in flows]
    command = [str(java), "-cp", f"{jars}/*", "scala.tools.nsc.Main", "-usejavacp", "-nowarn", "-d", str(classes)]
    subprocess.run([*command, *sources], check=True, capture_output=True, text=True)
    for flow in flows:
        with zipfile.ZipFile(flow.folder / "target" / "write.jar", "w") as archive:
            for file in classes.rglob("*.class"):
                archive.write(file, file.relative_to(classes))
