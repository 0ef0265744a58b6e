"""The index of packages: of many, a deployment reads those that changed, and says the same as without one."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def three(repo):
    for name in ("middle", "bottom"):
        repo.package(name)
    repo.commit("three packages")
    repo.deploy()
    return repo


def prepared(home) -> list[str]:
    """Return the folders of the packages that lie prepared in the home."""
    files = (home / "cache" / "prepared").glob("*.json")
    return sorted(json.loads(it.read_bytes())["prepared"]["path"] for it in files)


def test_of_many_packages_the_one_that_changed_is_read_and_no_other(three, home):
    assert prepared(home) == ["bottom", "middle", "top"]
    shutil.rmtree(home / "cache" / "prepared")
    three.edit("middle/src/write.sql", "<= 10", "<= 20")
    three.commit()
    done = three.deploy()
    assert [key.rpartition(":")[2] for key in done.packages] == ["middle"]
    assert prepared(home) == ["middle"]
    assert three.plan().unchanged == 3


def test_without_the_index_or_the_packages_a_plan_says_the_same(three, home):
    with_both = three.plan().inputs
    shutil.rmtree(home / "cache" / "packages")
    assert three.plan().inputs == with_both
    shutil.rmtree(home / "cache")
    assert three.plan().inputs == with_both


def test_a_file_elsewhere_that_a_package_was_made_of_makes_it_another(three):
    three.write("shared/common.sql", "SELECT 1\n")
    three.edit("top/main.sch.yaml", "script: ddl.sql", "script: ../shared/common.sql")
    three.commit()
    three.deploy()
    assert three.plan().changes == ()
    three.write("shared/common.sql", "SELECT 2\n")
    three.commit()
    assert [it.key.rpartition(":")[2] for it in three.plan().changes] == ["top"]


def test_a_name_that_two_packages_have_is_found_although_one_of_them_is_not_read(three):
    three.edit("top/identity.yaml", "alice.top", "alice.bottom")
    three.commit()
    with pytest.raises(Exception, match=r"both have the id 'alice\.bottom\.daily'"):
        three.plan()
