"""Options that several commands of `dataflow sample` have."""

from __future__ import annotations

from typing import Annotated

import typer

SourcePathOption = Annotated[
    str | None,
    typer.Option("--source-path", metavar="ADDRESS", help="A folder or git address to take the recipes from."),
]
RefOption = Annotated[
    str | None,
    typer.Option("--ref", metavar="VERSION", help="A tag, branch or commit; of --source-path, as it stands."),
]
