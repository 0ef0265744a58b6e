"""OpenLineage events: ours held to OpenLineage's own classes, made from its JSON Schema; others' read."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attr
import pytest

from dataflow.errors import UsageError
from dataflow.lineage.graph import traverse
from dataflow.lineage.model import Origin, TableWrite
from dataflow.lineage.openlineage.emit import FinishedRun, event, send_event
from dataflow.lineage.openlineage.ingest import import_events
from dataflow.lineage.spark_plan.plan_lineage import SnapshotRead
from dataflow.lineage.store.reader import LineageStore
from dataflow.workflow.load import Request, load_workflow
from tests.support.lineage_state import taken

DEFINITION = """
version: 1
workflow:
  id: ${dataflow.package_id}.main
  description: Titles.
  owner: alice
params:
  EXECUTION_DATE: ${dataflow.yesterday}
jobs:
  - job:
      id: notify
      type: Notification
      notification:
        to: [a@example.org]
        subject: hello
"""
PROJECT = """
version: 1
project: demo
environments:
  sandbox:
    openlineage: {address}
"""


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Return a function that makes a run that has ended, with events sent to an address."""
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)

    def make(address=None, status="succeeded", error=""):
        (tmp_path / "main.sch.yaml").write_text(DEFINITION)
        if address is not None:
            (tmp_path / "dataflow.yaml").write_text(PROJECT.format(address=address))
        moment = dt.datetime(2026, 1, 31, 3, tzinfo=dt.UTC)
        workflow = load_workflow(tmp_path / "main.sch.yaml", Request(date=dt.date(2026, 1, 30), bundle="b1"))
        reads = [SnapshotRead("dataflow.s.out", "dataflow.s.a", 4, 77)]
        writes = [TableWrite("s.out", taken("s.a.x -> y", "s.a.k ~>", "s.b.n ~> y"))]
        return FinishedRun(workflow, "parent", status, moment, moment, reads, writes, error)

    return make


FACETS = {
    "parent": "parent_run.ParentRunFacet",
    "tags": "tags_run.TagsRunFacet",
    "nominalTime": "nominal_time_run.NominalTimeRunFacet",
    "errorMessage": "error_message_run.ErrorMessageRunFacet",
    "jobType": "job_type_job.JobTypeJobFacet",
    "ownership": "ownership_job.OwnershipJobFacet",
    "documentation": "documentation_job.DocumentationJobFacet",
    "version": "dataset_version_dataset.DatasetVersionDatasetFacet",
    "columnLineage": "column_lineage_dataset.ColumnLineageDatasetFacet",
}


def checked(facets):
    """Make OpenLineage's own facets of ours: a field that it doesn't know, or lacks, is an error there."""
    from importlib import import_module

    found = {}
    for name, facet in facets.items():
        module, _, cls = FACETS[name].partition(".")
        kind = getattr(import_module(f"openlineage.client.generated.{module}"), cls)
        made = kind(**{key: value for key, value in facet.items() if not key.startswith("_")})
        assert made._schemaURL.rpartition("/")[2] == facet["_schemaURL"].rpartition("/")[2]
        found[name] = made
    return found


@pytest.mark.parametrize(("status", "error"), [("succeeded", ""), ("failed", "no"), ("cancelled", "")])
def test_a_run_s_event_is_one_of_openlineage_s(ended, status, error):
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.serde import Serde

    ours = event(ended(status=status, error=error))
    made = RunEvent(
        eventTime=ours["eventTime"],
        eventType=RunState[ours["eventType"]],
        producer=ours["producer"],
        run=Run(ours["run"]["runId"], checked(ours["run"]["facets"])),
        job=Job(ours["job"]["namespace"], ours["job"]["name"], checked(ours["job"]["facets"])),
        inputs=[InputDataset(d["namespace"], d["name"], checked(d["facets"])) for d in ours["inputs"]],
        outputs=[OutputDataset(d["namespace"], d["name"], checked(d["facets"])) for d in ours["outputs"]],
    )
    assert made.schemaURL == ours["schemaURL"]
    written = json.loads(Serde.to_json(made))
    assert written["eventType"] == {"succeeded": "COMPLETE", "failed": "FAIL", "cancelled": "ABORT"}[status]
    assert attr.asdict(made)["run"]["runId"] == ours["run"]["runId"]


@pytest.mark.tools("OpenLineage's schema")
@pytest.mark.parametrize(("status", "error"), [("succeeded", ""), ("failed", "no"), ("cancelled", "")])
def test_a_run_s_event_holds_to_openlineage_s_json_schema(ended, status, error):
    from jsonschema import FormatChecker
    from jsonschema.validators import Draft202012Validator
    from referencing import Registry, Resource

    schemas = [json.loads(path.read_text()) for path in Path(os.environ["OPENLINEAGE_SPEC"]).glob("**/*.json")]
    by_id = {each["$id"]: each for each in schemas if "$id" in each}
    latest = {address.rpartition("/")[2]: address for address in by_id}  # a checkout has one version of each
    registry = Registry().with_resources([(id_, Resource.from_contents(each)) for id_, each in by_id.items()])

    def hold(instance, address):
        file, _, part = address.partition("#")
        schema = {"$ref": f"{latest[file.rpartition('/')[2]]}#{part}"}
        Draft202012Validator(schema, registry=registry, format_checker=FormatChecker()).validate(instance)

    ours = event(ended(status=status, error=error))
    hold(ours, ours["schemaURL"])
    told = [ours["run"], ours["job"], *ours["inputs"], *ours["outputs"]]
    facets = [facet for each in told for facet in each["facets"].values()]
    assert len(facets) >= 6
    for facet in facets:
        hold(facet, facet["_schemaURL"])


def test_columns_and_what_decides_stand_in_the_column_lineage_facet(ended):
    (output,) = event(ended())["outputs"]
    facet = output["facets"]["columnLineage"]
    x, n = facet["fields"]["y"]["inputFields"]
    assert (x["name"], x["field"], x["transformations"]) == ("s.a", "x", [{"type": "DIRECT"}])
    assert (n["name"], n["field"], n["transformations"]) == ("s.b", "n", [{"type": "INDIRECT"}])
    assert [(each["name"], each["field"]) for each in facet["dataset"]] == [("s.a", "k")]


def test_events_go_to_a_file_and_come_back_as_lineage(ended, tmp_path, state):
    file = tmp_path / "events" / "runs.ndjson"
    assert send_event(ended(file)) is None
    assert send_event(ended(file)) is None
    done = import_events(file.parent, state.database, "dataflow")
    assert (done.events, done.edges, done.skipped) == (2, 1, [])
    found = traverse([LineageStore(state.address)], ("s.a", "x"), downstream=True, depth=3)
    ((_, target, indirect, producer),) = found.all_edges()
    assert (target, indirect) == (("s.out", "y"), False)
    assert (producer.origin, producer.owner, producer.workflow[-5:]) == (Origin.OPENLINEAGE, "alice", ".main")
    assert producer.bundle == "b1"


class _Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got = []
        self.status = 201


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    found = _Server()
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def test_events_go_to_a_server_by_the_variables_that_openlineage_s_clients_know(ended, server, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "hush")
    assert send_event(ended()) is None
    ((path, key, got),) = server.got
    assert (path, key, got["eventType"]) == ("/api/v1/lineage", "Bearer hush", "COMPLETE")
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    assert send_event(ended()) is None
    assert len(server.got) == 1


def test_a_lost_event_is_told_and_fails_nothing(ended, server):
    server.status = 500
    address = f"http://127.0.0.1:{server.server_port}/api/v1/lineage"
    lost = send_event(ended(f"{address}?api_key=S3cr3t"))
    assert (
        lost
        == f"the OpenLineage event could not be sent: http://127.0.0.1:{server.server_port}: 500 Internal Server Error"
    )
    assert send_event(ended("/proc/none/x")).startswith("the OpenLineage event could not be sent: /proc/none/x: ")


SPARKS_OWN = {
    "eventType": "COMPLETE",
    "eventTime": "2026-02-01T00:00:00Z",
    "producer": "https://example.org",
    "run": {"runId": "3f5e83fa-3480-44ff-99c5-ff943904e5e8"},
    "job": {"namespace": "etl", "name": "finance.royalties"},
    "inputs": [
        {
            "namespace": "file",
            "name": "/lake/s/a",
            "facets": {"symlinks": {"identifiers": [{"namespace": "x", "name": "dataflow.s.a", "type": "TABLE"}]}},
        }
    ],
    "outputs": [
        {
            "namespace": "file",
            "name": "finance.royalties",
            "facets": {
                "columnLineage": {
                    "fields": {"base": {"inputFields": [{"namespace": "file", "name": "/lake/s/a", "field": "hours"}]}}
                }
            },
        }
    ],
}


def test_a_table_that_is_named_by_its_files_is_found_by_its_symlink(tmp_path, state):
    (tmp_path / "one.json").write_text(json.dumps(SPARKS_OWN))
    import_events(tmp_path / "one.json", state.database, "dataflow")
    found = traverse([LineageStore(state.address)], ("s.a", "hours"), downstream=True, depth=1)
    assert [edge[1] for edge in found.all_edges()] == [("finance.royalties", "base")]


def test_starts_and_failures_tell_nothing_and_bad_lines_are_named(tmp_path, state):
    lines = [{**SPARKS_OWN, "eventType": "START"}, {**SPARKS_OWN, "eventType": "FAIL"}]
    text = "\n".join(map(json.dumps, lines)) + '\n{"half": \n{"other": 1}\n'
    (tmp_path / "log.ndjson").write_text(text)
    done = import_events(tmp_path / "log.ndjson", state.database, "dataflow")
    assert (done.events, done.edges) == (2, 0)
    assert [line.partition(": ")[2][:12] for line in done.skipped] == ["invalid JSON", "not an event"]
    assert "log.ndjson:3" in done.skipped[0]


def test_a_file_without_events_is_a_mistake(tmp_path, state):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="contains no OpenLineage events"):
        import_events(tmp_path / "x.json", state.database, "dataflow")
    with pytest.raises(UsageError, match="there is no "):
        import_events(tmp_path / "y.json", state.database, "dataflow")
