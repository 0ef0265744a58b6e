"""Emits an OpenLineage event when a run ends, to a file or an HTTP address.

It is enabled by `openlineage:` of an environment, else by the variables of the OpenLineage clients: OPENLINEAGE_URL
with OPENLINEAGE_ENDPOINT and OPENLINEAGE_API_KEY, and OPENLINEAGE_DISABLED. The shapes are those of the OpenLineage
JSON Schema 2-0-2 and of its facets.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dataflow.lineage.model import Flow, TableWrite, plain_name
from dataflow.secret import learn, masked, without_credentials
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    import datetime as dt

    from dataflow.lineage.spark_plan.plan_lineage import SnapshotRead
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow

_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_PRODUCER = "urn:dataflow"
_TIMEOUT = 5.0
BUNDLE_TAG = ("bundle", "DATAFLOW")
"""Key and source of the tag that names the bundle of a deployed run."""
_TYPES = {"succeeded": "COMPLETE", "cancelled": "ABORT"}


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended.

    Attributes:
        workflow: The workflow.
        parent: The run that started it, if any.
        status: How it ended.
        started: When it began.
        ended: When it ended.
        reads: The snapshots that it read.
        writes: Its writes with their flows.
        error: Why it failed.
    """

    workflow: Workflow
    parent: str | None
    status: str
    started: dt.datetime
    ended: dt.datetime
    reads: Sequence[SnapshotRead]
    writes: Sequence[TableWrite]
    error: str = ""


def send_event(run: FinishedRun) -> str | None:
    """Send the event of a run to the configured address; a failure does not fail the run.

    Returns:
        A warning when the event could not be sent; else None.
    """
    address = _address(run.workflow.environment)
    if address is None:
        return None
    try:
        to = resolve_secrets(address)  # before the event is masked: what stands in the address is a secret as well
        _send(masked(json.dumps(event(run), sort_keys=True)), to)
    except Exception as error:  # a file that can't be written, a server that is down or refuses
        shown = address if "://" not in address else re.sub(r"(?<=[^/:])/.*", "", without_credentials(address))
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(error, urllib.error.HTTPError):
            reason = f"{error.code} {error.reason}"
        return f"the OpenLineage event could not be sent: {shown}: {reason}"
    return None


def _address(environment: Environment) -> str | None:
    if os.environ.get("OPENLINEAGE_DISABLED", "").lower() == "true":
        return None
    if environment.openlineage is not None:
        return environment.openlineage
    server = os.environ.get("OPENLINEAGE_URL")
    if server is None or not server.startswith("http"):
        return server
    return f"{server.rstrip('/')}/{os.environ.get('OPENLINEAGE_ENDPOINT', 'api/v1/lineage').lstrip('/')}"


def _send(text: str, address: str) -> None:
    if not address.startswith(("http://", "https://")):
        path = Path(url2pathname(urlsplit(address).path) if address.startswith("file:") else address).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:  # one write a line: others write here as well
            stream.write(f"{text}\n")
        return
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENLINEAGE_API_KEY"):
        headers["Authorization"] = f"Bearer {learn(key)}"
    request = urllib.request.Request(address, data=text.encode(), headers=headers)  # noqa: S310  # http alone gets here
    with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
        pass


def event(run: FinishedRun) -> dict[str, Any]:
    """Return a run's event."""
    workflow = run.workflow
    place = namespace(workflow.environment)
    sources = {flow.source for write in run.writes for flow in write.flows if not flow.is_reference_only}
    targets = {write.target for write in run.writes}
    catalog = workflow.environment.catalog_name
    versions = {plain_name(read.source, catalog): read.snapshot for read in run.reads if read.snapshot}
    return {
        "eventType": _TYPES.get(run.status, "FAIL"),
        "eventTime": run.ended.isoformat(),
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
        "run": {"runId": run_uuid(workflow.run_id), "facets": _run_facets(run)},
        "job": {"namespace": _job_namespace(workflow), "name": workflow.id, "facets": _job_facets(workflow)},
        "inputs": [
            {"namespace": place, "name": name, "facets": _version(versions.get(name))}
            for name in sorted(sources - targets)
        ],
        "outputs": [
            {"namespace": place, "name": write.target, "facets": {"columnLineage": _column_lineage(write, place)}}
            for write in run.writes
        ],
    }


def namespace(environment: Environment) -> str:
    """Return the dataset namespace of an environment: the URI of its catalog, else its name."""
    return without_credentials(environment.catalog.get("uri") or environment.catalog_name)


def run_uuid(run_id: str) -> str:
    """Return the UUID of a run, which OpenLineage requires."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_PRODUCER}:{run_id}"))


def _job_namespace(workflow: Workflow) -> str:
    return f"dataflow.{workflow.environment.name}"


def _facet(name: str, version: str, **fields: Any) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_FACETS}/{version}/{name}.json#/$defs/{name}", **fields}


def _run_facets(run: FinishedRun) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    if run.parent is not None:
        facets["parent"] = _facet(
            "ParentRunFacet",
            "1-1-0",
            run={"runId": run_uuid(run.parent)},
            job={"namespace": _job_namespace(run.workflow), "name": run.workflow.identity.package_id},
        )
    if bundle := run.workflow.bundle:
        key, source = BUNDLE_TAG
        facets["tags"] = _facet("TagsRunFacet", "1-0-0", tags=[{"key": key, "value": bundle, "source": source}])
    if period := run.workflow.period:
        facets["nominalTime"] = _facet("NominalTimeRunFacet", "1-0-1", nominalStartTime=f"{period.start.isoformat()}Z")
    if run.error:
        facets["errorMessage"] = _facet(
            "ErrorMessageRunFacet", "1-0-1", message=run.error, programmingLanguage="unknown"
        )
    return facets


def _job_facets(workflow: Workflow) -> dict[str, Any]:
    facets = {
        "jobType": _facet(
            "JobTypeJobFacet", "2-0-3", processingType="BATCH", integration="DATAFLOW", jobType="WORKFLOW"
        )
    }
    if workflow.owner:
        owner = {"name": workflow.owner, "type": "MAINTAINER"}
        facets["ownership"] = _facet("OwnershipJobFacet", "1-0-1", owners=[owner])
    if workflow.description:
        facets["documentation"] = _facet("DocumentationJobFacet", "1-1-0", description=workflow.description)
    return facets


def _version(snapshot: int | None) -> dict[str, Any]:
    if snapshot is None:
        return {}
    return {"version": _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=str(snapshot))}


def _column_lineage(write: TableWrite, place: str) -> dict[str, Any]:
    fields: dict[str, dict[tuple[str, str], list[dict[str, str]]]] = {}
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for flow in sorted(write.flows):
        if flow.target_column or flow.indirect:  # OpenLineage has no reference-only transformations
            into = fields.setdefault(flow.target_column, {}) if flow.target_column else rows
            into.setdefault((flow.source, flow.source_column), []).append(_transformation(flow))
    return _facet(
        "ColumnLineageDatasetFacet",
        "1-2-0",
        fields={column: {"inputFields": _input_fields(taken, place)} for column, taken in fields.items()},
        dataset=_input_fields(rows, place),
    )


def _input_fields(taken: Mapping[tuple[str, str], list[dict[str, str]]], place: str) -> list[dict[str, Any]]:
    return [
        {"namespace": place, "name": table, "field": column, "transformations": how}
        for (table, column), how in taken.items()
    ]


def _transformation(flow: Flow) -> dict[str, str]:
    return {"type": "INDIRECT" if flow.indirect else "DIRECT"}
