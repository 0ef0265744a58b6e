"""The first `dataflow.yaml` of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.deploy.ownership import new_project_id
from dataflow.errors import UsageError, display_path
from dataflow.files import create_file, mode_of, write_file
from dataflow.git import ask
from dataflow.workflow.identity import current_user, slug
from dataflow.workflow.project import FILE_NAME, read_project

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.deploy.source import DeploySource
    from dataflow.report import Report

_TEXT = """\
# What this project's workflows run on, and where its branches deploy to.

version: 1
project: {name}

# What deployments know this project by, however its repository is called or
# reached: it stays with the project. A copy is given another one.
id: {id}

# Where builds and deployments are kept: a path, s3://bucket/folder, gs://…
# Without it, a folder of the Dataflow home of whoever deploys.
# registry: s3://my-bucket/dataflow

# Whom notifications reach by name; `on_failure: [owner]` is the package's owner.
owners:
  {owner}:
    email: {owner}@example.org

environments:
  # Everybody's own: what `dataflow workflow run` reaches without --env.
  sandbox:
    params:
      TARGET_DB: ${{dataflow.user}}_sandbox

  # What a clean checkout of this branch deploys to. Any other branch gets a
  # deployment of its own, which reads the same sources, writes a database of
  # its own, starts nothing by itself, and is swept away after seven days.
  production:
    branch: {branch}
    params:
      TARGET_DB: prod
    # Without a catalog, the one in the Dataflow home.
    # catalog:
    #   name: lake
    #   type: rest
    #   uri: https://catalog.example.org
    #   token: ${{secret:CATALOG_TOKEN}}  # an environment variable; never kept
    # spark:
    #   spark.master: spark://spark.example.org:7077
    # Run records, shared by the team.
    # state: postgresql+psycopg://dataflow@db.example.org/dataflow

  # Settings of branches' deployments, such as a login that may write nothing
  # but their databases. Without it, those of production.
  # development:
  #   branch: "*"
"""


def write_project(folder: Path, name: str | None = None) -> Path:
    """Write a commented `dataflow.yaml`.

    Args:
        folder: Where to.
        name: What the project is called; the folder's name when omitted.

    Raises:
        UsageError: There is one.
    """
    file = folder / FILE_NAME
    branch = ask(folder, "symbolic-ref", "--short", "HEAD")
    text = _TEXT.format(
        name=name or slug(folder.resolve().name).replace("_", "-"),
        owner=current_user(),
        branch=branch if branch in {"main", "master"} else "main",
        id=new_project_id(),
    )
    try:
        create_file(file, text)
    except FileExistsError:
        raise UsageError(f"{display_path(file)} exists already and was not changed") from None
    return file


def set_up(folder: Path, name: str | None = None, ci: str | None = None) -> list[Path]:
    """Write a commented `dataflow.yaml`, and a CI service's file beside it, which also one that is there can get.

    Args:
        folder: Where to.
        name: What the project is called; the folder's name when omitted.
        ci: The service; None for none.

    Raises:
        UsageError: What would be written is there, or a service's file can't be.
        DefinitionError: The `dataflow.yaml` that is there has mistakes.
    """
    from dataflow.deploy.ci.vendors import ci_file, vendor_named, write_ci

    if ci is None:
        return [write_project(folder, name)]
    vendor = vendor_named(ci)
    file = ci_file(folder, vendor)
    written = [] if (folder / FILE_NAME).exists() and name is None else [write_project(folder, name)]
    write_ci(file, vendor, read_project(folder / FILE_NAME))
    return [*written, file]


def pin_project(source: DeploySource, report: Report) -> None:
    """Write into dataflow.yaml what a project is known by from now on, where it has nothing yet."""
    whose, file = source.ownership, source.project.file
    if source.target.sandbox or whose.pinned or whose.id is None or file is None:
        return
    if pin_id(file, whose.id):
        report(f"added `id: {whose.id}` to {display_path(file)}: commit it, and any clone is known by it")


def pin_id(file: Path, id_: str) -> bool:
    """Add an id to a `dataflow.yaml` that has none, below the project's name; return whether it was added."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if any(line.startswith("id:") for line in lines):
        return False
    place = next((number for number, line in enumerate(lines, 1) if line.startswith("project:")), None)
    if place is None:
        return False
    end = "\r\n" if lines[place - 1].endswith("\r\n") else "\n"
    lines[place - 1] = lines[place - 1].rstrip("\r\n") + end
    lines.insert(place, f"id: {id_}{end}")
    write_file(file, "".join(lines), mode=mode_of(file))
    return True
