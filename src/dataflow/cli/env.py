"""`dataflow env`: where things are, and how other tools reach the same catalog."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import out, say
from dataflow.cli.environments import environment_here
from dataflow.cli.help import Commands
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.secret import without_credentials

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

app = Commands()

_NOT_FOR_OTHERS = (
    "spark.app.name",
    "spark.sql.variable.substitute",  # `spark-sql --hivevar` runs our scripts, and needs it on
)


@app.command()
def env(
    env: EnvOption = None,
    spark_conf: Annotated[
        bool, typer.Option("--spark-conf", help="Print the settings with which other tools reach the same catalog.")
    ] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write what the catalog's login may write; with --spark-conf."),
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """Show where things are, and how other tools reach them.

    What reaches the catalog by these settings reads all of it, and writes your sandbox's database.

    Examples:
        dataflow env
        dataflow env --spark-conf > spark.conf
        spark-sql --properties-file spark.conf -e "SHOW NAMESPACES"
    """
    from dataflow.workflow.project import find_project

    chosen = environment_here(env)
    if spark_conf:
        output.show(_SparkConf(_settings(chosen, write=write)))
    else:
        output.show(_Facts(_facts(chosen, find_project(Path.cwd()).file)))


@dataclass(frozen=True)
class _Facts(Result):
    facts: dict[str, Any]

    def text(self) -> None:
        width = max(map(len, self.facts))
        for name, value in self.facts.items():
            out().print(f"{name:<{width}}  {value if value is not None else '-'}")

    def data(self) -> object:
        return self.facts


@dataclass(frozen=True)
class _SparkConf(Result):
    conf: dict[str, str]

    def text(self) -> None:
        from dataflow.spark.launch_env import properties_file

        sys.stdout.write(properties_file(self.conf))

    def data(self) -> object:
        return self.conf


def _facts(chosen: Environment, project_file: Path | None) -> dict[str, Any]:
    from dataflow.home import home
    from dataflow.spark.config import settings
    from dataflow.state.database import default_address
    from dataflow.workflow.identity import current_user
    from dataflow.workflow.project import read_identity

    conf = settings(chosen)
    catalog = f"spark.sql.catalog.{chosen.catalog_name}"
    identity = read_identity(Path.cwd())
    return {
        "environment": chosen.name,
        "project": project_file,
        "user": current_user(),
        "package": f"{identity.package_id}{'' if identity.pinned else ' (not pinned)'}",
        "home": home(),
        "catalog": chosen.catalog_name,
        "catalog type": conf.get(f"{catalog}.type") or conf.get(f"{catalog}.catalog-impl"),
        "catalog uri": without_credentials(conf.get(f"{catalog}.uri", "")) or None,
        "warehouse": without_credentials(conf.get(f"{catalog}.warehouse", "")) or None,
        "state": without_credentials(chosen.state or default_address()),
        "logs": home() / "logs",
        "master": conf["spark.master"],
    }


def _settings(chosen: Environment, *, write: bool) -> dict[str, str]:
    """Return what another tool needs; the jars are fetched first, as it will not know how."""
    from dataflow.spark import jars
    from dataflow.spark.catalog_jars import catalog_jars
    from dataflow.spark.config import settings
    from dataflow.spark.guard import SETTING, user_scope
    from dataflow.spark.java import find_java

    jars.ensure(find_java(say), chosen.spark, say, catalog_jars(chosen))
    found = {**settings(chosen), SETTING: user_scope(chosen, write=write).as_json()}
    if any("${secret:" in value for value in found.values()):
        say("secrets are not shown: put them in where the file says ${secret:…}")
    return {key: value for key, value in found.items() if key not in _NOT_FOR_OTHERS}
