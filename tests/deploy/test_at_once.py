"""Many deploy at once, and many packages are deployed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle

DEPLOYS = 8
PACKAGES = 300


@pytest.mark.slow
def test_eight_deployments_of_eight_commits_are_eight_builds_and_eight_whole_switches(repo, tmp_path):
    repo.package("bottom")
    checkouts, commits = [], []
    for number in range(DEPLOYS):
        for name in ("top", "bottom"):
            repo.write(
                f"{name}/src/write.sql", f"-- version {number}\nINSERT INTO ${{TARGET_TABLE}} SELECT 1, 2D, NULL;\n"
            )
        commits.append(repo.commit())
        folder = tmp_path / "clones" / str(number) / "films"
        subprocess.run(["git", "clone", "-q", repo.folder, folder], check=True)
        subprocess.run(
            ["git", "-C", folder, "remote", "set-url", "origin", "git@example.org:alice/films.git"], check=True
        )
        checkouts.append(folder)
    environ = dict(os.environ)
    command = [sys.executable, "-m", "dataflow", "project", "deploy"]
    running = [
        subprocess.Popen(command, cwd=it, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for it in checkouts
    ]
    for process in running:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said

    registry = repo.registry
    for name in ("top", "bottom"):
        entries = registry.entries(f"builds/sql/{name}~~src~~write/alice/films/main")
        assert [number for number, _ in entries] == list(range(1, DEPLOYS + 1))
        assert {entry["commit"] for _, entry in entries} == set(commits)
    past = deployments.history(registry, "production")
    assert [it.number for it in past] == list(range(1, DEPLOYS + 1))
    seen = set()
    for it in past:
        assert set(it.revision.packages) == {"alice/films:top", "alice/films:bottom"}
        bundles = [load_bundle(registry, package.bundle) for package in it.revision.packages.values()]
        ids = {asset.commit for bundle in bundles for asset in bundle.assets if asset.path.endswith("write.sql")}
        assert len(ids) == 1  # both packages of one commit
        seen |= ids
    assert seen == {commit[:8] for commit in commits}


def used(command, folder, environ):
    """Run a command; return the seconds of processor time and the mebibytes that it took, and what it said."""
    script = (
        "import os, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], check=True, capture_output=True, text=True)\n"
        "spent = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(spent.ru_utime + spent.ru_stime, spent.ru_maxrss)\n"
        "print(done.stdout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    first, _, said = done.stdout.partition("\n")
    seconds, memory = map(float, first.split())
    return seconds, memory / (1024 if sys.platform != "darwin" else 1024**2), said


@pytest.mark.slow
def test_three_hundred_packages_cost_little_while_nothing_changes_and_one_change_costs_one(repo):
    top = repo.folder / "top"
    environ = dict(os.environ)  # home and user are the test's
    plan = [sys.executable, "-m", "dataflow", "project", "plan"]
    repo.deploy()
    alone, _, _ = used(plan, repo.folder, environ)  # as busy as this machine is now
    for number in range(PACKAGES - 1):
        shutil.copytree(top, repo.folder / f"p{number}")
        repo.write(f"p{number}/identity.yaml", f"owner: alice\npackage_id: alice.p{number}\nuuid: uuid-{number}\n")
    repo.commit()
    assert len(repo.deploy().packages) == PACKAGES - 1

    seconds, memory, said = used(plan, repo.folder, environ)
    assert f"{PACKAGES} unchanged packages" in said
    assert seconds <= 2.5 * alone
    assert memory <= 300

    repo.edit("p7/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    changed, memory, said = used(plan, repo.folder, environ)
    assert f"0 added, 1 changed, 0 removed, {PACKAGES - 1} unchanged" in said
    assert changed <= seconds + 1.5 * alone
    assert memory <= 300
