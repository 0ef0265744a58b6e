"""A table's owner and a reader of another repository, both deployed to one production; no Spark."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from dataflow.migration.store import CampaignStore
from dataflow.state.database import StateDatabase
from tests.support.packages import definition, identity, spark
from tests.support.repositories import commit, git
from tests.support.team import DEADLINE, create

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
RENAME = ("prod.plays", "--rename", "hours=view_hours")
PRODUCTION = ("--env", "production")
STEPS = ("expand 1", "expand 2", "expand 3")
PROJECT = """\
version: 1
project: {name}
owners:
  bob:
    email: bob@example.org
environments:
  production:
    branch: main
"""
PLAYS = "INSERT OVERWRITE prod.plays\nSELECT id, seconds / 3600 AS hours, date FROM raw.events;\n"
DDL = "CREATE TABLE IF NOT EXISTS prod.plays (id INT, hours DOUBLE, date DATE) USING iceberg;\n"
SUMS = """\
-- how much each title was watched
INSERT OVERWRITE out.sums
SELECT p.id, sum(p.hours) AS total
FROM prod.plays AS p JOIN out.titles AS t ON t.id = p.id
WHERE hours > 0
GROUP BY p.id;
"""
STARS = "INSERT INTO out.copies\nSELECT * FROM prod.plays;\n"
PYTHON = """\
def main(args, spark):
    plays = spark.table("prod.plays")
    plays.groupBy("id").sum("hours").writeTo("out.ranks").append()
"""


class Repository:
    """A git repository with packages, and the command line of whoever works in it."""

    def __init__(self, folder: Path, user: str, command, monkeypatch) -> None:
        self.folder, self.user = folder, user
        self._command, self._monkeypatch = command, monkeypatch
        folder.mkdir()
        self.write("dataflow.yaml", PROJECT.format(name=folder.name))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def package(self, name: str, script: str, text: str, *, ddl: str | None = None) -> None:
        jobs = [spark(f"src/{script}")] if ddl is None else [spark("ddl.sql", "ddl"), spark(f"src/{script}")]
        self.write(f"{name}/main.sch.yaml", definition(*jobs, owner="${dataflow.owner}"))
        self.write(f"{name}/identity.yaml", identity(self.user, name))
        self.write(f"{name}/src/{script}", text)
        if ddl is not None:
            self.write(f"{name}/ddl.sql", ddl)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text, text
        self.write(name, text.replace(old, new))

    def __call__(self, *arguments, code=0):
        """Run a command as the user of this repository, in it."""
        self._monkeypatch.setenv("DATAFLOW_USER", self.user)
        self._command.folder = self.folder
        return self._command(*arguments, code=code)

    def json(self, *arguments):
        """Run a command with `--output json` and return what it answers."""
        self._monkeypatch.setenv("DATAFLOW_USER", self.user)
        self._command.folder = self.folder
        return self._command.json(*arguments)

    def deploy(self, message: str = "A change"):
        """Commit what is here and deploy it; return the first eight digits of the commit."""
        made = commit(self.folder, message)
        self("project", "deploy")
        return made[:8]


class TwoRepositories:
    """Alice's `films` makes prod.plays; three workflows of Bob's `reports` read it, one of them in Python."""

    def __init__(self, folder: Path, command, monkeypatch) -> None:
        create("prod.plays")
        self.films = Repository(folder / "films", "alice", command, monkeypatch)
        self.films.package("plays", "write.sql", PLAYS, ddl=DDL)
        self.reports = Repository(folder / "reports", "bob", command, monkeypatch)
        titles = "CREATE TABLE IF NOT EXISTS out.titles (id INT, title STRING) USING iceberg;\n"
        self.reports.package("titles", "write.sql", "INSERT OVERWRITE out.titles SELECT 1, 'x';\n", ddl=titles)
        self.reports.package("sums", "write.sql", SUMS)
        self.reports.package("ranks", "write.py", PYTHON)
        self.films.deploy()
        self.commit = self.reports.deploy()

    def apply_patch(self, text: str) -> str:
        """Apply a message's patch as Bob would, and return what git then shows as changed."""
        file = self.reports.folder.parent / "suggested.patch"
        file.write_text(text[text.index("--- a/") :].partition("\n\nNo reply")[0] + "\n")
        git(self.reports.folder, "apply", str(file))
        return git(self.reports.folder, "diff", "--unified=0", "--", "*.sql")

    def expanded(self, name="hours"):
        """Start the campaign, and note that both columns are on the table."""
        self.films("migration", "start", *RENAME, "--deadline", DEADLINE, "--name", name, *PRODUCTION)
        with StateDatabase() as database:
            for step in STEPS:
                CampaignStore(database, "production").note(name, "applied", step, "alice")
        return self


def finish(*, name="hours"):
    """Note that a campaign is done."""
    with StateDatabase() as database:
        campaigns = CampaignStore(database, "production")
        campaigns.note(name, "applied", "contract 1", "alice")
        campaigns.close(name, "done", "alice")


def shown(text, two):
    """Return what was printed, without what differs from run to run."""
    text = TIME.sub("TIME", text).replace(two.commit, "COMMIT")
    return re.sub(r"\([0-9a-f]{8}\)", "(BUNDLE)", text)


def days(text):
    """Return what was printed, without its times and days but the deadline."""
    return re.sub(rf"(?!{DEADLINE})\b\d{{4}}-\d\d-\d\d\b", "DAY", TIME.sub("TIME", text))
