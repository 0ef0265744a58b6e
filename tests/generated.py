"""What is made by a program and kept in git all the same, so that a change of it shows in review.

`python -m tests.generated` writes it anew; with `--check` it says what is out of date and exits 1.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from dataflow.provided_files import PROVIDED
from tests.support.places import ROOT

SCHEMAS = Path("src/dataflow/schemas")


def main() -> int:
    """Write or check the generated files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is out of date")
    check = parser.parse_args().check
    if not check:
        write_schemas(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        write(fresh)
        stale = sorted(set(differences(fresh)))
        if check:
            for name in stale:
                print(f"{name} is out of date")
            print("run `python -m tests.generated` and commit what it changes" if stale else "all up to date")
            return 1 if stale else 0
        shutil.rmtree(ROOT / "examples", ignore_errors=True)
        shutil.copytree(fresh, ROOT, dirs_exist_ok=True)
    return 0


def write(folder: Path) -> None:
    """Write the schemas, the documents and the examples below a folder, as they stand in the repository."""
    write_schemas(folder)
    write_documents(folder)
    from dataflow.sample.recipes import recipes

    for recipe in recipes():
        render_example(folder / "examples" / recipe.example, recipe.name)


def write_schemas(folder: Path) -> None:
    """Write the JSON Schemas of definitions, mocks and tests below a folder."""
    from dataflow.mocks import schema as mocks
    from dataflow.testing import schema as tests
    from dataflow.workflow import json_schema as definitions

    schemas = folder / SCHEMAS
    schemas.mkdir(parents=True, exist_ok=True)
    (schemas / "workflow.schema.json").write_text(definitions.render(), encoding="utf-8")
    (schemas / "mock.schema.json").write_text(mocks.render(), encoding="utf-8")
    (schemas / "test.schema.json").write_text(tests.render(), encoding="utf-8")


def write_documents(folder: Path) -> None:
    """Write the glossary, the engines and the commands below a folder: what the code says of itself."""
    from dataflow.glossary import as_markdown
    from dataflow.sail import page as engines
    from tests.support.commands import pages

    documents = folder / "docs"
    documents.mkdir(exist_ok=True)
    (documents / "engines.md").write_text(engines.render(), encoding="utf-8")
    (documents / "glossary.md").write_text(as_markdown(), encoding="utf-8")
    parts = ["# Commands", "What `--help` says of each. Written by `python -m tests.generated`."]
    for page in pages():
        parts += [f"{'###' if len(page.words) > 1 else '##'} {page.name}", f"```text\n{page.text(100)}```"]
    (documents / "commands.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def render_example(target: Path, recipe: str) -> None:
    """Render a recipe as it stands here, without what differs between users and machines.

    Not pinned, so that the example belongs to whoever runs it; and without the answers file, which names a commit.
    """
    from copier import run_copy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # uncommitted changes are meant to be seen here
        run_copy(
            str(ROOT),
            target,
            data={"recipe": recipe, "workflow_shortname": target.name.replace("-", "_")},
            vcs_ref="HEAD",
            defaults=True,
            skip_tasks=True,
            quiet=True,
        )
    (target / ".copier-answers.yml").unlink()


def differences(fresh: Path) -> Iterator[str]:
    """Yield the names of files that differ between a fresh rendering and the repository."""
    for path in sorted(p for p in fresh.rglob("*") if p.is_file()):
        kept = ROOT / path.relative_to(fresh)
        if not kept.exists() or not filecmp.cmp(path, kept, shallow=False):
            yield str(path.relative_to(fresh))
    for path in (ROOT / "examples").rglob("*"):
        if path.is_file() and not _is_ignored(path) and not (fresh / path.relative_to(ROOT)).exists():
            yield str(path.relative_to(ROOT))


def _is_ignored(path: Path) -> bool:
    """Say whether running an example made a file."""
    return "__pycache__" in path.parts or any(path.match(line) for line in PROVIDED)


if __name__ == "__main__":
    sys.exit(main())
