"""Whose a deployment is: a project's, whatever its repository is called, and however it is reached."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from dataflow.deploy.adopt import adopt, plan_adoption
from dataflow.deploy.ownership import normalized_address
from dataflow.deploy.plan.builder import make_plan
from dataflow.deploy.preconditions import require_deployable
from dataflow.deploy.rollback import plan_rollback
from dataflow.errors import DataflowError, UsageError
from tests.support.standing import KEY

pytestmark = pytest.mark.slow


def pin(repo, id_="df-0a1b2c3d"):
    repo.edit("dataflow.yaml", "project: films\n", f"project: films\nid: {id_}\n")
    repo.commit()


def run(repo, *arguments):
    return repo.command("project", *arguments)


def planned(repo):
    source = repo.source()
    require_deployable(source, make_plan(source, details=False))


def change(repo, number):
    repo.write("top/src/write.sql", f"-- version {number}\nINSERT INTO ${{TARGET_TABLE}} SELECT 1, 2D, NULL;\n")
    return repo.commit()


@pytest.mark.parametrize(
    "address",
    [
        "git@github.com:Acme/films.git",
        "ssh://git@github.com:22/acme/films",
        "https://github.com/acme/Films.git/",
        "https://user:token@GitHub.com/acme/films",
    ],
)
def test_an_address_is_the_same_however_it_is_reached(tmp_path, address):
    assert normalized_address(address, tmp_path) == "github.com/acme/films"


def test_a_remote_s_credentials_are_noted_nowhere_and_no_argument_of_git(repo, monkeypatch):
    repo.deploy()
    repo.git("remote", "add", "origin", "https://bot:S3cr3t/w@127.0.0.1:1/films.git?token=S3cr3t-too")
    whose = repo.source().ownership
    whose.register(repo.registry)
    noted = whose._known(repo.registry)
    assert noted["addresses"] == ["https://127.0.0.1:1/films.git"]
    assert "127.0.0.1/films" in noted["remotes"]
    asked = []
    monkeypatch.setattr("dataflow.git.ask_remote", lambda _, *arguments, **__: asked.append(arguments))
    whose._is_moved({**noted, "remotes": ["elsewhere"]}, {})
    assert asked
    assert "S3cr3t" not in str([noted, asked])


@pytest.mark.parametrize("pinned", [True, False])
def test_a_remote_that_comes_later_a_rename_and_another_protocol_change_nothing(repo, tmp_path, pinned):
    if pinned:
        pin(repo)
    repo.deploy()
    for number, address in enumerate(
        [
            "git@git.invalid:acme/films.git",
            "https://git.invalid/Acme/Films",
            "https://git.invalid/acme/movies",
            "https://other.invalid/acme/movies",
        ]
    ):
        subprocess.run(["git", "-C", repo.folder, "remote", "remove", "origin"], capture_output=True, check=False)
        repo.git("remote", "add", "origin", address)
        repo.edit("top/ddl.sql", "hours DOUBLE", f"hours DOUBLE, more{number} INT")
        repo.commit()
        assert [it.action for it in repo.plan().changes] == ["changed"]
        planned(repo)
        assert set(repo.deploy().packages) == {KEY}
    repo.folder = repo.folder.rename(tmp_path / "moved")
    assert not repo.deploy().changed
    plan_rollback(repo.registry, "production", owns=repo.source().owns).apply(repo.registry)
    assert set(repo.current().revision.packages) == {KEY}


def test_init_pins_an_id_and_deploy_adds_one_with_a_word(repo):
    (repo.folder / "dataflow.yaml").unlink()
    assert run(repo, "init").returncode == 0
    assert repo.source(sandbox=True).ownership.pinned.startswith("df-")
    repo.git("checkout", "-q", ".")
    done = run(repo, "deploy")
    assert done.returncode == 0, done.stderr
    assert "to dataflow.yaml: commit it" in done.stderr
    text = (repo.folder / "dataflow.yaml").read_text()
    (package,) = repo.current().revision.packages.values()
    assert f"project: films\nid: {package.project}\n" in text
    again = run(repo, "deploy")
    assert "production stays at #1" in again.stdout
    assert "commit it" not in again.stderr
    repo.commit()
    assert not repo.deploy().changed


def test_two_repositories_of_one_name_leave_one_another_alone(repo, tmp_path):
    pin(repo)
    repo.deploy()
    (tmp_path / "other").mkdir()
    other = type(repo)(tmp_path / "other" / "films")
    other.package("top")
    other.write("top/identity.yaml", "owner: alice\npackage_id: alice.other\nuuid: other\n")
    pin(other, "df-99999999")
    assert [it.action for it in other.plan().changes] == ["added"]
    other.deploy()
    assert set(repo.current().revision.packages) == {KEY, "alice/films~99999999:top"}
    assert not repo.plan().changes
    change(other, 1)
    other.deploy()
    assert not repo.plan().changes
    shutil.rmtree(other.folder / "top")
    other.commit()
    other.deploy()
    assert set(repo.current().revision.packages) == {KEY}


def test_a_copied_file_is_told_and_a_copied_repository_too(repo, tmp_path):
    pin(repo)
    repo.git("remote", "add", "origin", "https://git.invalid/acme/films")
    repo.deploy()
    copy = type(repo)(tmp_path / "books")
    copy.package("best")
    shutil.copy(repo.folder / "dataflow.yaml", copy.folder)
    copy.commit("another beginning")
    with pytest.raises(DataflowError, match=r"has the id of acme/films \(git\.invalid/acme/films\)") as caught:
        planned(copy)
    assert "a copy gets an id of its own: write `id: df-" in caught.value.hint
    with pytest.raises(DataflowError, match="has the id of acme/films"):
        copy.deploy()
    copy.edit("dataflow.yaml", "id: df-0a1b2c3d\n", "")
    copy.commit()
    copy.deploy()
    assert set(repo.current().revision.packages) == {"acme/films:top", "alice/books:best"}


def test_a_clone_under_a_new_address_is_a_copy_while_the_old_one_goes_its_own_way(repo, tmp_path):
    pin(repo)
    old, new = tmp_path / "old.git", tmp_path / "new.git"
    repo.git("clone", "-q", "--bare", ".", str(old))
    repo.git("clone", "-q", "--bare", ".", str(new))
    repo.git("remote", "add", "origin", str(old))
    repo.deploy()
    repo.git("remote", "set-url", "origin", str(new))
    planned(repo)  # both answer the same: it is one that was renamed
    change(repo, 1)
    repo.git("push", "-q", "origin", "main")
    with pytest.raises(DataflowError, match="has the id of"):
        planned(repo)
    shutil.rmtree(old)
    planned(repo)


def forked(repo, tmp_path, *, named):
    """Return a fork of the repository with a remote of its own, and the bare one of the original."""
    old, new = tmp_path / "acme" / "films.git", tmp_path / named / "films.git"
    for bare in (old, new):
        repo.git("clone", "-q", "--bare", ".", str(bare))
    repo.git("remote", "add", "origin", str(old))
    fork = object.__new__(type(repo))
    fork.folder = tmp_path / named / "films"
    repo.git("clone", "-q", str(new), str(fork.folder))
    return fork, old


@pytest.mark.parametrize("pinned", [True, False])
def test_a_fork_that_deploys_while_it_is_young_is_told_once_it_goes_its_own_way(repo, tmp_path, pinned):
    if pinned:
        pin(repo)
    fork, _ = forked(repo, tmp_path, named="bob")
    repo.deploy()
    assert not fork.deploy().changed  # it is what stands
    change(fork, 1)
    fork.git("push", "-q", "origin", "main")
    with pytest.raises(DataflowError, match=r"acme/films.*, and .*bob/films is not it") as caught:
        planned(fork)
    id_ = caught.value.hint.partition("`id: ")[2].partition("`")[0]
    text = (fork.folder / "dataflow.yaml").read_text()
    (fork.folder / "dataflow.yaml").write_text(re.sub(r"(?m)^id: .*\n", "", text) + f"id: {id_}\n")
    fork.commit()
    with pytest.raises(DataflowError, match="is deployed there by"):  # its workflows have the ids of the original's
        planned(fork)
    fork.write("top/identity.yaml", "owner: bob\npackage_id: bob.top\nuuid: of-bob\n")
    fork.commit()
    assert fork.deploy().changed
    assert {it.project for it in repo.current().revision.packages.values()} >= {id_}
    assert not repo.plan().changes


def test_a_fork_whose_original_does_not_answer_is_no_rename_and_adopt_says_that_it_is(repo, tmp_path):
    pin(repo)
    fork, old = forked(repo, tmp_path, named="bob")
    repo.deploy()
    shutil.rmtree(old)
    change(fork, 1)
    with pytest.raises(DataflowError, match="has the id of") as caught:
        planned(fork)
    assert caught.value.hint.endswith("where it moved: dataflow project adopt")
    source = fork.source()
    adopt(source, plan_adoption(source, None))
    assert fork.deploy().changed


def test_a_clone_that_deployed_before_is_known_after_its_repository_moved(repo, tmp_path):
    pin(repo)
    fork, old = forked(repo, tmp_path, named="bob")
    repo.deploy()
    shutil.rmtree(old)
    repo.git("remote", "set-url", "origin", fork.git("remote", "get-url", "origin"))
    change(repo, 1)
    assert repo.deploy().changed
    planned(fork)  # the new address is known now


def test_a_clone_with_a_fork_s_remote_beside_does_not_make_the_fork_known(repo, tmp_path):
    pin(repo)
    fork, _ = forked(repo, tmp_path, named="bob")
    repo.git("remote", "add", "bob", fork.git("remote", "get-url", "origin"))
    repo.deploy()
    change(repo, 1)
    repo.git("push", "-q", "origin", "main")
    repo.deploy()
    change(fork, 2)
    fork.git("push", "-q", "origin", "main")
    with pytest.raises(DataflowError, match="has the id of"):
        planned(fork)


def test_an_old_address_that_leads_to_the_new_one_is_followed_until_it_is_gone(repo, tmp_path):
    pin(repo)
    moved, old = forked(repo, tmp_path, named="movies")
    repo.deploy()
    new = tmp_path / "movies" / "films.git"
    shutil.rmtree(old)
    old.symlink_to(new)  # as hosts do
    for number in range(2):
        change(moved, number)
        moved.git("push", "-q", "origin", "main")
        assert moved.deploy().changed
    old.unlink()
    again = object.__new__(type(repo))
    again.folder = tmp_path / "ci" / "films"
    repo.git("clone", "-q", str(new), str(again.folder))
    planned(again)


def test_a_merge_of_other_histories_changes_nothing_of_whose_it_is(repo, tmp_path):
    repo.deploy()
    before = repo.source().ownership.id
    for number in range(4):
        other = type(repo)(tmp_path / f"other{number}")
        other.git("rm", "-qf", "--ignore-unmatch", "dataflow.yaml")
        (other.folder / "dataflow.yaml").unlink(missing_ok=True)
        other.write(f"lib{number}.txt", str(number))
        other.commit()
        repo.git("fetch", "-q", str(other.folder), "main")
        repo.git("merge", "-q", "--allow-unrelated-histories", "-m", "merged", "FETCH_HEAD")
    assert repo.source().ownership.id == before
    change(repo, 1)
    assert [it.action for it in repo.plan().changes] == ["changed"]
    planned(repo)


def test_two_files_of_one_repository_with_one_id_are_told(repo):
    pin(repo)
    repo.deploy()
    repo.package("b/best")
    shutil.copy(repo.folder / "dataflow.yaml", repo.folder / "b")
    repo.commit()
    with pytest.raises(DataflowError, match=r"b/dataflow\.yaml has the id of dataflow\.yaml"):
        repo.deploy()


def forget_ids(repo):
    """Have what stands look as it did before there were ids."""
    from dataflow.deploy import deployments

    def make(found):
        packages = {key: it.model_copy(update={"project": None}) for key, it in found.revision.packages.items()}
        return found.revision.model_copy(update={"packages": packages})

    deployments.revise(repo.registry, "production", make)
    shutil.rmtree(repo.folder.parent / "home" / "registry" / "projects")


def test_what_stood_before_there_were_ids_is_the_project_s_that_has_its_name(repo):
    repo.deploy()
    forget_ids(repo)
    assert not repo.plan().changes
    change(repo, 1)
    repo.deploy()
    assert repo.current().revision.packages[KEY].project == repo.source().ownership.id


def test_what_stood_before_there_were_ids_under_another_name_is_adopted_by_one_command(repo):
    repo.deploy()
    forget_ids(repo)
    repo.git("remote", "add", "origin", "git@git.invalid:acme/films.git")
    change(repo, 1)
    with pytest.raises(DataflowError, match="is deployed there by alice/films:top already") as caught:
        planned(repo)
    assert caught.value.hint == "to take it over: dataflow project adopt alice/films"
    refused = run(repo, "plan")
    assert refused.returncode == 1
    assert "project adopt alice/films" in refused.stderr
    done = run(repo, "adopt", "alice/films", "--yes")
    assert done.returncode == 0, done.stderr
    assert "acme/films has 1 package of production now (#3)" in done.stdout
    assert set(repo.deploy().packages) == {KEY}
    assert "adopt" in run(repo, "history").stdout
    plan_rollback(repo.registry, "production", owns=repo.source().owns).apply(repo.registry)
    assert repo.current().revision.packages[KEY].project == repo.source().ownership.id
    assert [it.action for it in repo.plan().changes] == ["changed"]


def test_a_project_is_handed_over_to_another_repository_with_its_history(repo, tmp_path):
    pin(repo)
    repo.deploy()
    heir = type(repo)(tmp_path / "heir")
    heir.package("top")
    pin(heir, "df-99999999")
    with pytest.raises(DataflowError, match="is deployed there by alice/films:top already"):
        planned(heir)
    source = heir.source()
    adopt(source, plan_adoption(source, None))
    change(heir, 1)
    assert set(heir.deploy().packages) == {KEY}
    plan_rollback(heir.registry, "production", owns=heir.source().owns).apply(heir.registry)
    assert not heir.plan().changes or heir.plan().changes[0].action == "changed"
    with pytest.raises(DataflowError, match="is deployed there by"):
        planned(repo)
    with pytest.raises(UsageError, match="runs no package of another repository 'alice/nobody'"):
        plan_adoption(repo.source(), "alice/nobody")


def test_an_id_is_handed_over_to_another_repository(repo, tmp_path):
    pin(repo)
    repo.deploy()
    heir = type(repo)(tmp_path / "heir")
    heir.package("top")
    pin(heir)
    with pytest.raises(DataflowError, match="has the id of alice/films"):
        heir.deploy()
    source = heir.source()
    adopt(source, plan_adoption(source, None))
    assert heir.deploy().deployment.number == 2
    with pytest.raises(DataflowError, match="has the id of alice/heir"):
        planned(repo)


def test_a_repository_empties_its_environment(repo):
    repo.package("bottom")
    repo.commit()
    repo.deploy()
    repo.git("rm", "-rq", "top", "bottom")
    repo.commit()
    assert {it.action for it in repo.plan().changes} == {"removed"}
    repo.deploy()
    assert repo.current().revision.packages == {}
    with pytest.raises(UsageError, match="contains no workflow"):
        repo.plan()
    plan_rollback(repo.registry, "production", owns=repo.source().owns).apply(repo.registry)
    assert len(repo.current().revision.packages) == 2


# ------------------------------------------------------------------------------ projects of one repository


@pytest.fixture
def mono(repo):
    project = (repo.folder / "dataflow.yaml").read_text()
    repo.git("rm", "-rqf", "dataflow.yaml", "top")
    for name in ("a", "b"):
        repo.package(f"{name}/flow{name}")
        repo.write(f"{name}/dataflow.yaml", project.replace("TARGET_DB: prod", f"TARGET_DB: prod_{name}"))
        repo.write(f"{name}/flow{name}/identity.yaml", f"owner: alice\npackage_id: alice.{name}\nuuid: uuid-{name}\n")
    repo.commit()
    return repo


def project_of(mono, name):
    one = object.__new__(type(mono))
    one.folder = mono.folder / name
    return one


def test_two_projects_of_one_repository_stay_apart(mono):
    a, b = project_of(mono, "a"), project_of(mono, "b")
    assert set(b.deploy().packages) == {"alice/films:b/flowb"}
    assert set(a.deploy().packages) == {"alice/films:a/flowa"}
    packages = a.current().revision.packages
    assert {key: it.writes for key, it in packages.items()} == {
        "alice/films:a/flowa": ("prod_a.alice_a_results",),
        "alice/films:b/flowb": ("prod_b.alice_b_results",),
    }
    assert not a.plan().changes
    assert not b.plan().changes
    shutil.rmtree(b.folder / "flowb")
    mono.commit()
    b.deploy()
    assert set(a.current().revision.packages) == {"alice/films:a/flowa"}


def test_a_project_within_a_project_has_its_own_packages(repo):
    repo.package("b/best")
    shutil.copy(repo.folder / "dataflow.yaml", repo.folder / "b" / "dataflow.yaml")
    repo.commit()
    assert set(repo.deploy().packages) == {KEY}
    assert set(project_of(repo, "b").deploy().packages) == {"alice/films:b/best"}


def test_where_no_project_s_file_is_those_that_are_there_are_named(mono):
    mono.branch("feature")
    with pytest.raises(UsageError, match="contains no workflow") as caught:
        mono.plan()
    assert "a, b" in caught.value.hint
