"""Definitions of workflows, put together from the jobs that most of them are made of."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent

DAY = "${EXECUTION_DATE}"
"""The day that a run is for, as a definition names it."""

EVERY_DAY = {"EXECUTION_DATE": "${dataflow.yesterday}"}
"""The parameter that makes it so."""

HWM = """\
  - job:
      id: hwm
      type: HWM
      hwm:
        table: ${TARGET_TABLE}
        datetime: ${EXECUTION_DATE}
"""
"""The job that says up to which day the target is complete."""


def definition(
    *jobs: str,
    name: str = "${dataflow.package_id}.main",
    owner: str | None = None,
    head: str = "",
    params: Mapping[str, str] | None = None,
) -> str:
    """Return a workflow's definition, of jobs as the functions below write them; `head` may be a trigger."""
    text = f"version: 1\nworkflow:\n  id: {name}\n"
    if owner:
        text += f"  owner: {owner}\n"
    text += head
    if params:
        text += "params:\n" + "".join(f"  {param}: {value}\n" for param, value in params.items())
    return f"{text}jobs:\n{''.join(jobs)}"


def spark(script: str, name: str = "write") -> str:
    """Return a job that runs a script, which may go on in further lines."""
    return f"  - job:\n      id: {name}\n      type: Spark\n      spark:\n        script: {script}\n"


def metadata(primary_key: str, more: str = "") -> str:
    """Return the job that says of the target whose it is and what its key is."""
    return (
        "  - job:\n      id: metadata\n      type: Metadata\n      metadata:\n        table: ${TARGET_TABLE}\n"
        f"        owner: ${{dataflow.owner}}\n{more}        primary_key: {primary_key}\n"
    )


def wap(
    write: str, name: str = "wap", *, by: Mapping[str, str] | None = None, settings: str = "", audits: str = ""
) -> str:
    """Return the template in which a job writes the target, or a partition `by` some columns of it."""
    text = f"  - template:\n      id: {name}\n      type: wap\n      table: ${{TARGET_TABLE}}\n"
    if by:
        text += "      partition:\n" + "".join(f"        {column}: {value}\n" for column, value in by.items())
    return f"{text}{settings}      write:\n{indent(write, '      ')}{audits}"


def each_day(dates: str, *, file: str = "./main.sch.yaml", parallel: str | None = None, more: str = "") -> str:
    """Return the loop that runs a workflow for each of some days; `more` may be the job's retries."""
    width = f"      parallel: {parallel}\n" if parallel else ""
    return f"""\
  - foreach:
      id: each_day
      dates:
{indent(dates, "        ")}
{width}      job:
        id: main
        type: Subworkflow
        subworkflow:
          file: {file}
          params:
            EXECUTION_DATE: ${{dataflow.each}}
{more}"""


def identity(owner: str, name: str) -> str:
    """Return what `identity.yaml` says of a package that is pinned."""
    return f"owner: {owner}\npackage_id: {owner}.{name}\nuuid: uuid-of-{name}\n"
