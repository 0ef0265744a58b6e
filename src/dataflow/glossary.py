"""The words of ours, said once: `dataflow glossary`, docs/glossary.md and the end of each help page have them so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


class Word:
    """A word that a newcomer can't know.

    Attributes:
        name: The word.
        short: What it means, in a line.
        more: What else is worth knowing.
        explained: Whether it is explained wherever it is met first: on help pages, and in the output of commands.
    """

    def __init__(self, name: str, short: str, *more: str, explained: bool = False, pattern: str | None = None) -> None:
        self.name, self.short, self.more, self.explained = name, short, " ".join(more), explained
        self._pattern = pattern or rf"\b{re.escape(name)}(e?s)?\b"

    def is_in(self, text: str) -> bool:
        """Say whether a text uses the word."""
        return re.search(self._pattern, text, re.I) is not None


WORDS = (
    Word(
        "audit",
        "a check of rows: no nulls, unique keys, a count as usual, or a query of your own",
        "A blocking audit that fails keeps the rows from being published.",
        "The failure prints the query that shows the rows that failed, which are kept for a day.",
    ),
    Word(
        "backfill",
        "a run of many days, several side by side",
        "`backfill.sch.yaml` of a package says how many at once; a day that is done again holds the same rows.",
    ),
    Word(
        "bundle",
        "a package's rendered definitions and all that they run, as one unit that never changes",
        "It is named by the checksum of its bytes, and kept in the registry.",
        "`dataflow project deploy` makes bundles, and switches an environment to them at once.",
        "`dataflow project rollback` switches it back, with nothing built.",
        explained=True,
    ),
    Word(
        "cadence",
        "how often a workflow runs, and so whether it runs for hours, days, weeks or months",
        "`cadence: hourly` in a definition; daily without it. `EXECUTION_DATE` is the beginning of the period: an hour",
        "in UTC, a day, the Monday of an ISO week, the first of a month.",
    ),
    Word(
        "campaign",
        "a change of a table that breaks no reader: old and new stand side by side until all have moved",
        "`dataflow migration start` opens one, `apply` carries out its steps, `notify` writes to readers' owners.",
        "`dataflow migration status` says who has moved.",
        explained=True,
    ),
    Word(
        "DDL",
        "the CREATE TABLE statement in a package's `ddl/`, which is the table's contract",
        "A column that you add to it is added to the table before the next write.",
        "Whatever could break a reader stops the run.",
    ),
    Word(
        "definition",
        "a `*.sch.yaml` file: the jobs of a workflow, their order, and their parameters",
        "`dataflow workflow validate` finds every mistake in it without running anything.",
    ),
    Word(
        "environment",
        "where a workflow runs: a catalog, a database, Spark's settings, and the place of the run records",
        "`dataflow.yaml` at the root of a project names environments, such as `production`; `--env NAME` chooses one.",
        "Without it a command works in your sandbox; what deploys takes the environment of the branch.",
        "A branch's deployment has a name of its own, which `--env` takes as well where one looks at it.",
    ),
    Word(
        "hwm",
        "high-water mark: the last day up to which a table is complete, without a gap",
        "A job of the type `HWM` moves it once a day is published; who reads the table can wait for it.",
        explained=True,
        pattern=r"\bhwm\b|\bhigh-water mark",
    ),
    Word(
        "mock",
        "a small table in a YAML file that a test reads in the place of a real one",
        "`dataflow mock create` makes one of a real table: few rows that each show something, personal data masked.",
    ),
    Word(
        "package",
        "a folder with a workflow: definitions, DDL, transformation, mocks and tests",
        "`dataflow sample workflow RECIPE FOLDER` generates one; `identity.yaml` in it says whose it is.",
    ),
    Word(
        "project",
        "all that one repository holds: packages, and a `dataflow.yaml` at its root",
        "It is planned, deployed and rolled back as a whole, branch by branch.",
    ),
    Word(
        "recipe",
        "a template that packages are generated from, in one language, such as spark-sql",
        "`dataflow sample list` lists them; with `--source-path` those of your company's fork.",
        "`dataflow sample update` brings a package up to date with its recipe, your edits kept.",
        explained=True,
    ),
    Word(
        "registry",
        "where builds, bundles and deployments are kept: a folder, or a bucket",
        "`DATAFLOW_REGISTRY`, or `registry:` in `dataflow.yaml`, says where; a folder of the Dataflow home if omitted.",
    ),
    Word(
        "sandbox",
        "a database of yours alone, where a run writes unless --env names another environment",
        "Anybody may read it. It is called after you, such as `alice_sandbox`.",
        "`dataflow project destroy --sandbox` takes it down.",
        explained=True,
    ),
    Word(
        "wap",
        "write, audit, publish: rows are written on a branch of the table, checked there, and only then visible",
        "What readers see changes in one transaction, or not at all.",
        "A definition has it as the template `wap`; a run shows `wap.write`, `wap.audit` and `wap.publish`.",
        explained=True,
    ),
    Word(
        "workflow",
        "jobs that run in an order, as a definition lists them",
        "Its id is made of whose it is, its package and its definition, such as `alice.titles.main`.",
    ),
)


def words_in(text: str) -> Iterator[Word]:
    """Yield the words that a text uses and that have to be explained."""
    return (it for it in WORDS if it.explained and it.is_in(text))


def find_word(name: str) -> Word | None:
    """Return a word by its name, or as a text spells it; None if it is not one of ours."""
    return next((it for it in WORDS if it.name.lower() == name.lower()), None) or next(
        (it for it in WORDS if it.is_in(name)), None
    )


def as_markdown(words: Sequence[Word] = WORDS) -> str:
    """Return words as a document."""
    parts = [
        "# Glossary",
        "Words that Dataflow uses in a sense of its own; `dataflow glossary` prints them. Written by "
        "`python -m tests.generated`.",
        *(f"**{it.name}**: {it.short}. {it.more}" for it in words),
    ]
    return "\n\n".join(parts) + "\n"
