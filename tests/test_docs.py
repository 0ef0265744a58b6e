"""What the documents name is there: files, modules, decisions; and each decision has its four parts."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md", "CLAUDE.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
ROOMS = "src/dataflow|tests|docs|benchmarks|recipes|examples|jvm|hooks"

PATH = re.compile(rf"(?:(?:{ROOMS})(?:/[\w./*-]*)?|copier\.yml|(?:noxfile|hatch_build)\.py|pyproject\.toml|[A-Z]+\.md)")
MODULE = re.compile(r"-m ((?:benchmarks|jvm|tests|dataflow)[\w.]*)")
PARTS = ["Context", "Decision", "Consequences", "Alternatives"]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


def names_in(document, pattern):
    return sorted(set(re.findall(pattern, document.read_text(encoding="utf-8"))))


def of_repository(text):
    """Return the path of this repository that a text in backticks begins with, None where it begins with none."""
    found = PATH.fullmatch((text.split() or [""])[0])
    return found and found[0].rstrip("/")


def is_module(name):
    path = ROOT / ("src" if name.startswith("dataflow") else "") / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def is_reachable(document, link):
    return (document.parent / link).exists()


def test_every_path_that_a_document_names_exists():
    named = {(it, path) for it in DOCUMENTS for path in map(of_repository, names_in(it, r"`([^`\n]+)`")) if path}
    assert not [f"{it.relative_to(ROOT)}: {path}" for it, path in sorted(named) if not any(ROOT.glob(path))]


def test_every_module_that_a_document_runs_exists():
    assert not [(it.name, name) for it in DOCUMENTS for name in names_in(it, MODULE) if not is_module(name)]


def test_every_link_within_the_repository_leads_somewhere():
    assert not [(it.name, link) for it in DOCUMENTS for link in names_in(it, LINK) if not is_reachable(it, link)]


def test_every_decision_that_is_referred_to_exists():
    numbers = {it.name[:4] for it in DECISIONS}
    sources = [*DOCUMENTS, *(ROOT / "src").rglob("*.py"), *(ROOT / "jvm").rglob("*.scala")]
    named = {(it, number) for it in sources for number in names_in(it, r"\bdecisions? (\d+)")}
    assert not [f"{it.relative_to(ROOT)}: {number}" for it, number in sorted(named) if number.zfill(4) not in numbers]


def test_each_decision_has_a_title_a_status_and_four_parts():
    texts = {it: it.read_text(encoding="utf-8") for it in DECISIONS}
    assert not [it.name for it, text in texts.items() if not text.startswith(f"# {int(it.name[:4])}. ")]
    assert not [it.name for it, text in texts.items() if "\n**Status:** " not in text]
    parts = {it: re.findall(r"^## (.+)\n\n[^#]", text, re.MULTILINE) for it, text in texts.items()}
    assert not [it.name for it, found in parts.items() if found != PARTS]


def test_the_list_of_decisions_has_each_by_its_title():
    lines = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line.startswith("- [")]
    titles = {it.name: it.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for it in DECISIONS}
    assert sorted(listed) == sorted(f"- [{title}]({name})" for name, title in titles.items())


def test_a_path_that_is_not_there_would_be_found():
    assert of_repository("src/dataflow/gone.py") == "src/dataflow/gone.py"
    assert of_repository("tests/lineage/corpus/*.yaml") == "tests/lineage/corpus/*.yaml"
    assert of_repository("hooks/") == "hooks"
    assert of_repository("src/main/scala") is None
    assert of_repository("SELECT 1") is None
