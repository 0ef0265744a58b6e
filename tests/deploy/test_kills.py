"""A deployment that is killed at any moment: what runs is whole, and deploying again finishes the work.

Each deployment is a fork of this process, as imports would take most of its time. One that counts its calls to the
disk is killed at each of the steps that write; others are killed when their time comes.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import pytest

from dataflow.assets import publish
from dataflow.assets.registry import Registry
from dataflow.deploy import deployments
from dataflow.deploy.bundle.checkout import check_out_bundle
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.deploy import Deployer

KILLS = 20  # `nox -s kills` asks for more

STEPS = (
    "before anything",
    "an object is put",
    "an asset is registered",
    "all assets are registered",
    "a bundle is put",
    "all bundles are put",
    "the environment is switched",
    "the end",
)


def forked(work):
    """Run something in a fork of this process; return its process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        os._exit(1)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def dying(original, when=lambda *_: True):
    """Return a function that does what another does, and is then killed."""

    def called(*arguments, **options):
        result = original(*arguments, **options)
        if when(*arguments):
            die()
        return result

    return called


def is_switch(_, series, *_rest):
    return series.startswith(deployments.PREFIX)


def deploy_and_die(repo, step):
    """Deploy, and be killed right after a step; this is a process of its own, so nothing needs to be put back."""
    after = {
        "an object is put": lambda: setattr(Registry, "put", dying(Registry.put)),
        "an asset is registered": lambda: setattr(publish, "publish", dying(publish.publish)),
        "all assets are registered": lambda: setattr(Deployer, "_assets", dying(Deployer._assets)),
        "a bundle is put": lambda: setattr(Deployer, "_deployed", dying(Deployer._deployed)),
        "all bundles are put": lambda: setattr(Deployer, "_add_revision", lambda *_: die()),
        "the environment is switched": lambda: setattr(Registry, "append", dying(Registry.append, is_switch)),
    }
    if step == "before anything":
        die()
    if step in after:
        after[step]()
    repo.deploy()
    die()


def assert_whole(repo, allowed):
    """Check that production runs one whole commit: every object of every bundle is there and intact."""
    current = repo.current()
    if current is None:
        assert None in allowed
        return None
    packages = current.revision.packages
    assert set(packages) == {"alice/films:top", "alice/films:bottom"}
    said = set()
    for package in packages.values():
        bundle = load_bundle(repo.registry, package.bundle)
        laid_out = check_out_bundle(repo.registry, bundle, package.bundle)
        said.add((laid_out.definition(f"{bundle.path}/src/write.sql")).read_text().partition("\n")[0])
    assert len(said) == 1, said  # both packages are of one commit
    (version,) = said
    assert version in allowed
    return version


@pytest.fixture
def films(repo):
    repo.package("bottom")
    for name in ("top", "bottom"):
        repo.write(f"{name}/src/write.sql", "-- version 0\n" + (repo.folder / name / "src/write.sql").read_text())
    repo.commit()
    return repo


def change(films, number):
    for name in ("top", "bottom"):
        path = films.folder / name / "src" / "write.sql"
        path.write_text(f"-- version {number}\n" + path.read_text().partition("\n")[2])
    films.commit()


@pytest.mark.slow
def test_whatever_step_a_deployment_is_killed_at_what_runs_is_whole_and_the_next_one_finishes(films):
    before = None
    for number, step in enumerate(STEPS, 1):
        change(films, number)
        after = f"-- version {number}"
        pid = forked(lambda step=step: deploy_and_die(films, step))
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), step
        found = assert_whole(films, {before, after})
        assert found == (after if step in STEPS[-2:] else before), step
        films.deploy()
        assert assert_whole(films, {after}) == after, step
        before = after
    assert builds(films) == list(range(1, len(STEPS) + 1))


@pytest.mark.slow
def test_killed_at_any_moment_what_runs_is_whole_and_the_next_one_finishes(films, request):
    kills = request.config.getoption("--kills", KILLS)
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    print("seed", seed)
    chance = random.Random(seed)  # noqa: S311
    films.deploy()
    change(films, 1)
    began = time.monotonic()
    os.waitpid(forked(films.deploy), 0)
    whole = time.monotonic() - began
    before, hits = "-- version 1", 0
    for number in range(2, kills + 2):
        change(films, number)
        after = f"-- version {number}"
        pid = forked(films.deploy)
        time.sleep(chance.uniform(0, whole))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        hits += os.WIFSIGNALED(status)
        assert_whole(films, {before, after})
        films.deploy()
        assert assert_whole(films, {after}) == after
        before = after
    assert hits >= kills / 3  # else they came too late to prove anything
    assert builds(films) == list(range(1, kills + 3))


def builds(films):
    """Return the numbers of an asset's builds, each of which has to stand for one commit."""
    series = "builds/sql/top~~src~~write/alice/films/main"
    entries = films.registry.entries(series)
    assert len({entry["commit"] for _, entry in entries}) == len(entries)
    return [number for number, _ in entries]
