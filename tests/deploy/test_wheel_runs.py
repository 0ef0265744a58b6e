"""A package with a wheel runs in the Python that its lock makes; what it is told in secret stays there."""

from __future__ import annotations

import shutil

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.long]

SECRET = "s3cr3t-value"  # as long as job.py expects
FILES = {
    "calc/main.sch.yaml": """
        version: 1
        workflow:
          id: ${dataflow.package_id}.main
        params:
          TOKEN: ${secret:FILMS_TOKEN}
        jobs:
          - job:
              id: write
              type: Spark
              spark:
                script: job.py
    """,
    "calc/pyproject.toml": """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "films-calc"
        version = "1.0"
        dependencies = ["humanize==4.9.0"]
        [tool.hatch.build.targets.wheel]
        packages = ["src/films_calc"]
    """,
    "calc/src/films_calc/__init__.py": """
        import humanize


        def word(number):
            return humanize.intword(number)
    """,
    "calc/job.py": """
        import films_calc
        import humanize


        def main(args, spark):
            assert len(args["TOKEN"]) == 12
            print(humanize.__version__, films_calc.__file__, humanize.__file__)
            print(spark.range(2).rdd.map(lambda row: films_calc.word(row.id * 1_000_000)).collect())
    """,
    "calc/identity.yaml": "owner: alice\npackage_id: alice.calc\nuuid: uuid-of-calc\n",
}


def test_a_wheel_brings_its_own_python_and_secrets_are_kept_nowhere(repo, home, spark_command):
    command = spark_command
    for name, text in FILES.items():
        repo.write(name, text)
    shutil.rmtree(repo.folder / "top")
    repo.branch("dev")
    repo.commit()
    command.environ["FILMS_TOKEN"] = SECRET
    deployed = command("project", "deploy", folder=repo.folder).stdout
    assert "DEPLOYED AS dataflow.wheel.calc.alice.films.dev." in deployed
    shutil.rmtree(repo.folder)
    done = command("workflow", "run", "--deployed", "calc.main")
    version, own, needed = next(line for line in done.stdout.splitlines() if "films_calc" in line).split()
    assert version == "4.9.0"
    assert "/home/deployed/" in own
    assert "/home/environments/" in needed
    assert "['0', '1.0 million']" in done.stdout
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    assert not [path for path in files if SECRET.encode() in path.read_bytes() and "class-data" not in path.parts]
