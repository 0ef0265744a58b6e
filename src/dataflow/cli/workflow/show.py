"""`dataflow workflow show`: all that is recorded of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflow.cli.console import err, out, print_rows
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.workflow.audit_lines import AuditLine, print_audits
from dataflow.wording import seconds_text


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.")] = "last",
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Show all that is recorded of a run.

    Its parameters, versions, times of jobs, audits and tables; of a deployed run the assets of its bundle as well.

    Examples:
        dataflow workflow show last
    """
    from dataflow.cli.workflow.records import run_records

    with run_records(env) as records:
        found = records.run(run_id)
    if found["bundle"]:
        found["assets"] = _assets(found["bundle"])
    output.show(RecordedRun(found))


def _assets(bundle: str) -> list[dict[str, Any]]:
    """Return what a run's bundle ran, with the commit of each; nothing where the registry has it no more."""
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.deployed_run import assets_of
    from dataflow.errors import DataflowError
    from dataflow.workflow.project import find_project

    try:
        return assets_of(open_registry(find_project(Path.cwd())), bundle)
    except DataflowError as error:
        err().print(f"note: the content of its bundle is not known: {error.message}", style="yellow")
        return []


@dataclass(frozen=True)
class RecordedRun(Result):
    """A run as it is recorded."""

    found: Mapping[str, Any]

    def text(self) -> None:
        """Print all of it."""
        print_run(self.found)

    def data(self) -> object:
        """Return all of it."""
        return self.found


def print_run(found: Mapping[str, Any]) -> None:
    """Print all that is recorded of a run."""
    from rich.markup import escape

    head = f" · run {found['run_id']} · {found['status']}"
    out().print(f"[bold]{escape(found['workflow_id'])}[/]{escape(head)}", markup=True)
    for label, value in _facts(found):
        out().print(f"  [dim]{label:<12}[/] {escape(value)}", markup=True)
    for asset in found.get("assets", ()):
        out().print(f"    [dim]ran[/] {escape(asset['id'])}", markup=True)
    if found["jobs"]:
        print_rows([_job(job) for job in found["jobs"]])
    for published in found["publications"]:
        out().print(
            f"published {published['table_name']} {published['partition']}: {published['rows']:,} rows "
            f"as snapshot {published['snapshot']}"
        )
    print_audits(_audit_lines(found))
    for read in found["reads"]:
        out().print(f"read {read['source']} at snapshot {read['snapshot']} for {read['written']}")
    for child in found["children"]:
        date = child["params"].get("EXECUTION_DATE", "")
        out().print(f"  contains {child['run_id']} {date} {child['status']}")
    if found["error"]:
        out().print(found["error"], style="red")


def _audit_lines(found: Mapping[str, Any]) -> list[AuditLine]:
    """Return the audits of all attempts; those of one that was followed by another are told to be."""
    last: dict[str, int] = {}
    for audit in found["audits"]:
        last[audit["job_id"]] = max(audit["attempt"], last.get(audit["job_id"], 0))
    return [
        AuditLine(it, "" if it["attempt"] == last[it["job_id"]] else f"attempt {it['attempt']}")
        for it in found["audits"]
    ]


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    seconds = (found["ended"] - found["started"]).total_seconds() if found["ended"] else None
    took = f", {seconds_text(seconds)}" if seconds is not None else ""
    facts = [
        ("started", f"{found['started'].astimezone():%Y-%m-%d %H:%M:%S}{took}"),
        ("environment", f"{found['environment']}, by {found['user']} on {found['host']}"),
        ("file", found["file"]),
        ("parameters", _pairs(found["params"])),
        ("versions", _pairs(found["versions"])),
        ("log", found["log"]),
    ]
    if accelerator := found.get("accelerator"):
        facts.append(("accelerator", _accelerator(accelerator)))
    if found["bundle"]:
        facts.append(("bundle", found["bundle"]))
    if found["parent_run_id"]:
        facts.append(("part of", found["parent_run_id"]))
    return facts


def _accelerator(found: Mapping[str, Any]) -> str:
    if not found["name"]:
        return f"none: {found['why']}"
    fell_back = [f"{it['operator']} ({it['reason']})" for it in found["fell_back"]]
    left = f"; left to Spark: {', '.join(fell_back)}" if fell_back else ""
    return f"Comet: {found['why']}; {found['native']} of {found['operators']} operators{left}"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _job(job: Mapping[str, Any]) -> dict[str, object]:
    ended = job["ended"] and job["started"]
    return {
        "job": job["job_id"],
        "attempt": job["attempt"],
        "status": job["status"],
        "took": seconds_text((job["ended"] - job["started"]).total_seconds()) if ended else "",
        "detail": job["detail"] or (job["error"] or "").partition("\n")[0],
    }
