"""Repositories for tests and benchmarks, written to a folder."""

from __future__ import annotations

from pathlib import Path

from tests.support.packages import DAY, EVERY_DAY, definition, spark, wap
from tests.support.repositories import commit

NOT_NULL = """\
      audits:
        - function: columns_should_not_have_nulls
          columns: [title_id]
"""
MAIN = definition(
    spark("./ddl/results.sql", "ddl"),
    wap(spark("./src/write.sql"), by={"date": DAY}, audits=NOT_NULL),
    params={**EVERY_DAY, "TARGET_TABLE": "${TARGET_DB}.${dataflow.package_slug}_results"},
)
DDL = "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (title_id INT, date DATE) USING iceberg PARTITIONED BY (date)\n"
WRITE = "INSERT OVERWRITE ${TARGET_TABLE} SELECT title_id, DATE '${EXECUTION_DATE}' FROM source.titles_%d\n"
IDENTITY = "owner: alice\npackage_id: alice.%s\nuuid: 00000000-0000-4000-8000-%012d\n"
WHEEL = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "%s"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["iniconfig>=2"]

[tool.hatch.build.targets.wheel]
packages = ["src/%s"]
"""
MAVEN_JAR = """\
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId>
    <artifactId>maven-jar-plugin</artifactId>
    <version>3.4.1</version>
  </plugin></plugins></build>"""
GRADLE = "apply plugin: 'java'\n"
JAVA = "public class Top { public static int rank(int a) { return a + 1; } }\n"
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>%s</artifactId>
  <version>1.0</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  %s
</project>
"""


def write(folder: Path, **texts: str) -> None:
    """Write files, each named by its path, which keyword arguments take from a dictionary."""
    for name, text in texts.items():
        write_file(folder, name, text)


def write_file(folder: Path, name: str, text: str = "") -> Path:
    """Write one file, with the folders above it."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def package(folder: Path, number: int = 0) -> None:
    """Write a workflow package as a user of the spark-sql recipe has it, in small."""
    write(
        folder,
        **{
            "main.sch.yaml": MAIN,
            "daily.sch.yaml": MAIN.replace("main\n", "daily\n", 1),
            "identity.yaml": IDENTITY % (folder.name.replace("-", "_"), number),
            "ddl/results.sql": DDL,
            "src/write.sql": WRITE % number,
            "src/test_write.py": "def test_write(): pass\n",
            "src/mocks/titles.yaml": "rows: []\n",
            "README.md": "# A package\n",
        },
    )


def repository(folder: Path, packages: int) -> Path:
    """Write a repository of many workflow packages, some with what tools leave behind, and commit it."""
    for number in range(packages):
        here = folder / f"team-{number % 12:02d}" / f"package-{number:03d}"
        package(here, number)
        write(
            here, **{f"target/classes/C{i}.class": "" for i in range(5)}, **{".venv/pyvenv.cfg": "", ".venv/a.py": ""}
        )
    write(folder, **{".gitignore": "target/\n.venv/\n"})
    commit(folder)
    return folder
