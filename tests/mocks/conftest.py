from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table

from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment

MakeTable = Callable[..., Table]


@pytest.fixture
def make_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTable:
    """Make Iceberg tables in an embedded catalog of the test's own."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    catalog = open_catalog(Environment("sandbox"))

    def make(name: str, *parts: pa.Table, properties: Mapping[str, str] | None = None, **options: Any) -> Table:
        namespace, _, own = name.partition(".")
        catalog.create_namespace_if_not_exists(namespace)
        schema = options.pop("schema", None) or parts[0].schema
        place = str(tmp_path / "warehouse" / namespace / own)
        table = catalog.create_table(name, schema, location=place, properties=dict(properties or {}), **options)
        for part in parts:
            table.append(part)
        return table

    return make
