"""The file of a campaign, for review."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dataflow.errors import DataflowError, display_path
from dataflow.files import draft_of
from dataflow.migration.script_lines import ScriptLine
from dataflow.migration.store import env_option

FOLDER = "migrations"


_HEADER = """\
# A campaign that changes a table: `dataflow migration status {id}{env}` shows its progress.
#
# Written by `dataflow migration start`, for review. Edits of this file have no effect: to change the campaign, cancel
# it and start another.
"""


@contextlib.contextmanager
def campaign_file(path: Path, definition: Mapping[str, Any]) -> Iterator[None]:
    """Write the file of a campaign once the body of the `with` has succeeded; otherwise change nothing."""
    import yaml

    shown = {**definition, "readers": [_for_review(reader) for reader in definition["readers"]]}
    for part in ("changes", "steps"):
        shown[part] = [
            {key: value for key, value in each.items() if value or value is False} for each in definition[part]
        ]
    text = _HEADER.format(id=definition["campaign"], env=env_option(definition["environment"])) + yaml.safe_dump(
        shown, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_text(text, encoding="utf-8")
            yield
    except OSError as error:
        raise DataflowError(f"{display_path(path)} can't be written: {error.strerror}") from error


def _for_review(reader: Mapping[str, Any]) -> dict[str, Any]:
    lines = [f"{ScriptLine(**line).in_repository}: {line['text']}" for line in reader["lines"]]
    return {
        "workflow": reader["workflow"],
        "owner": reader["owner"],
        "role": reader["role"],
        "columns": list(reader["columns"]),
        **({"lines": lines} if lines else {}),
    }
