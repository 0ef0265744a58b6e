"""A recorded run, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataflow.cli.console import out
from dataflow.cli.workflow.summary import print_rows


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
    for audit in found["audits"]:
        mark = "[green]✓[/]" if audit["passed"] else "[red]✗[/]" if audit["blocking"] else "[yellow]![/]"
        told = f"{audit['name']}: {audit['figure']:g} (expected {audit['expected']})"
        out().print(f"  {mark} {escape(told)}", markup=True)
        if audit["sample"]:
            print_rows(audit["sample"])
    for read in found["reads"]:
        out().print(f"read {read['source']} at snapshot {read['snapshot']} for {read['written']}")
    for child in found["children"]:
        date = child["params"].get("EXECUTION_DATE", "")
        out().print(f"  contains {child['run_id']} {date} {child['status']}")
    if found["error"]:
        out().print(found["error"], style="red")


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    seconds = (found["ended"] - found["started"]).total_seconds() if found["ended"] else None
    took = f", {seconds:.1f} s" if seconds is not None else ""
    facts = [
        ("started", f"{found['started'].astimezone():%Y-%m-%d %H:%M:%S}{took}"),
        ("environment", f"{found['environment']}, by {found['user']} on {found['host']}"),
        ("file", found["file"]),
        ("parameters", _pairs(found["params"])),
        ("versions", _pairs(found["versions"])),
        ("log", found["log"]),
    ]
    if found["bundle"]:
        facts.append(("bundle", found["bundle"]))
    if found["parent_run_id"]:
        facts.append(("part of", found["parent_run_id"]))
    return facts


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _job(job: Mapping[str, Any]) -> dict[str, object]:
    ended = job["ended"] and job["started"]
    return {
        "job": job["job_id"],
        "attempt": job["attempt"],
        "status": job["status"],
        "seconds": f"{(job['ended'] - job['started']).total_seconds():.1f}" if ended else "",
        "detail": job["detail"] or (job["error"] or "").partition("\n")[0],
    }
