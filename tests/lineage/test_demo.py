"""How much of a demo's known lineage is found: recorded, static and both together, measured per language."""

from __future__ import annotations

import pytest

from dataflow.jobs.spark.r_script import find_r
from dataflow.lineage.checkout import CheckoutLineage
from dataflow.lineage.graph import is_reference_only, traverse
from dataflow.lineage.store.reader import LineageStore
from dataflow.runner.context import RunContext
from dataflow.runner.progress import NoProgress
from dataflow.runner.runner import Runner
from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords
from dataflow.workflow.load import Request, load_workflow
from tests.support.demo import DATE, LANGUAGES, write_demo

pytestmark = pytest.mark.spark

SOURCES = ("raw.plays", "raw.titles", "raw.people", "raw.devices", "raw.rates")
OPENED = ("raw", "ingest", "models", "reports")


@pytest.fixture(scope="module")
def demo(spark, tmp_path_factory):
    """Write the demo, make its sources, run what can run here, and return it with the state's address."""
    import datetime as dt

    root = tmp_path_factory.mktemp("demo")
    flows = write_demo(root, find_java().executable, spark_home() / "jars")
    for name in OPENED:
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name}")
    for table in SOURCES:
        spark.sql(
            f"CREATE TABLE {table} (id INT, country STRING, name STRING, hours DOUBLE, date DATE) "
            "USING iceberg PARTITIONED BY (date)"
        )
        spark.sql(f"INSERT INTO {table} VALUES (1, 'US', 'one', 2.0, DATE '{DATE}')")
    address = f"sqlite:///{root / 'state.db'}"
    (root / "dataflow.yaml").write_text(
        f"version: 1\nproject: demo\nenvironments:\n  shared:\n    state: {address}\n    params: {{}}\n"
    )
    database = StateDatabase(address)
    sparklyr = (r := find_r()) is not None and "sparklyr" in r.packages
    for flow in flows:
        if flow.language == "r" and not sparklyr:
            spark.sql(
                f"CREATE TABLE {flow.target} (id INT, country STRING, name STRING, hours DOUBLE, date DATE) "
                "USING iceberg PARTITIONED BY (date)"
            )
            continue
        workflow = load_workflow(flow.file, Request(date=dt.date.fromisoformat(DATE), env="shared"))
        context = RunContext(spark, RunRecords(database), NoProgress(), root / "run.log")
        result = Runner(context).run(workflow)
        assert result.status == "succeeded", [(step.id, str(step.error)) for step in result.steps]
    database.close()
    return root, flows, address


def edges_of(sources, flows, columns):
    """Return the edges that some sources know, per workflow."""
    found = {flow.id: set() for flow in flows}
    for flow in flows:
        for source in sources:
            for producer, taken in source.flows({flow.target}, downstream=False):
                if producer.workflow != flow.id:
                    continue
                for table, column, into, _ in (each for each in taken if not is_reference_only(each)):
                    if columns and column:
                        found[flow.id].add((f"{table}.{column}", f"{flow.target}.{into}" if into else flow.target))
                    elif not columns and not column:
                        found[flow.id].add((table, flow.target))
    return found


def measured(found, flows, columns):
    """Return recall and precision."""
    true = {(flow.id, edge) for flow in flows for edge in (flow.columns if columns else flow.tables)}
    said = {(flow.id, edge) for flow in flows for edge in found[flow.id]}
    return len(true & said) / len(true), (len(true & said) / len(said) if said else 1.0)


def test_recall_and_precision_of_recorded_static_and_united_lineage(demo, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    root, flows, address = demo
    store = LineageStore(address)
    checkouts = [CheckoutLineage(root / name, "shared") for name in ("ingest", "models", "reports")]
    known = {"recorded": [store], "static": checkouts, "united": [store, *checkouts]}
    assert len(flows) == 30
    lines = [
        f"{'':8} {'':9} {'tables':>18} {'columns':>18}",
        f"{'':8} {'':9} {'recall precision':>18} {'recall precision':>18}",
    ]
    figures = {}
    for language in LANGUAGES:
        mine = [flow for flow in flows if flow.language == language]
        for name, sources in known.items():
            tables = measured(edges_of(sources, mine, columns=False), mine, columns=False)
            columns = measured(edges_of(sources, mine, columns=True), mine, columns=True)
            figures[language, name] = (tables, columns)
            lines.append(
                f"{language:8} {name:9} {tables[0]:>9.2f}{tables[1]:>9.2f} {columns[0]:>9.2f}{columns[1]:>9.2f}"
                f"   {len(mine)} workflows"
            )
    with capsys.disabled():
        print("\n" + "\n".join(lines))
        for flow in flows:
            missed = flow.columns - edges_of(known["united"], [flow], columns=True)[flow.id]
            if missed:
                print(f"missed columns of {flow.id} ({flow.language}): {len(missed)} of {len(flow.columns)}")
    assert figures["sql", "united"] == ((1.0, 1.0), (1.0, 1.0))
    assert figures["sql", "static"][1] == (1.0, 1.0)
    assert figures["sql", "recorded"][1] == (1.0, 1.0)
    assert figures["python", "united"] == ((1.0, 1.0), (1.0, 1.0))
    assert figures["scala", "united"][0] == (1.0, 1.0)
    assert figures["scala", "united"][1][0] == 1.0
    assert figures["r", "united"][0] == (1.0, 1.0)


def test_lineage_goes_through_repositories_and_languages(demo):
    _, _, address = demo
    found = traverse([LineageStore(address)], ("raw.plays", "hours"), downstream=True, depth=20)
    assert ("reports.everything", "hours") in found.levels
    assert ("models.hours", "hours") in found.levels  # by Scala
    assert ("models.audience", "hours") in found.levels  # by Python
    up = traverse([LineageStore(address)], ("reports.everything", ""), downstream=False, depth=20)
    assert {"raw.plays", "raw.titles"} <= {table for table, _ in up.levels}
