"""Who is at the keyboard, also on machines that know little of them."""

from __future__ import annotations

import getpass
import subprocess

import pytest

from dataflow.workflow.identity import Identity, current_user, login


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    """Neither a user of Dataflow's nor an identity of git's."""
    monkeypatch.delenv("DATAFLOW_USER", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)


def test_without_a_git_identity_the_login_is_the_user(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "Bob.Smith")
    assert current_user() == "bob_smith"


def test_without_a_git_the_login_is_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(getpass, "getuser", lambda: "bob")
    assert current_user() == "bob"


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 4711"), OSError("No username set")])
def test_a_login_without_a_name_is_called_by_its_number(monkeypatch, error):
    def unknown():
        raise error

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert current_user() == login() == "user_4711"


def test_the_name_in_another_repository_s_settings_is_nobody_s_here(monkeypatch, tmp_path):
    monkeypatch.delenv("DATAFLOW_USER", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", other], check=True)
    subprocess.run(["git", "-C", other, "config", "user.email", "bob@example.org"], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert current_user() != "bob"


def test_a_name_that_no_table_can_have_is_shortened_and_stays_one_of_its_own():
    one, other = (Identity("a", f"a.{'x' * 200}{number}", "uuid").package_slug for number in (1, 2))
    assert one != other
    assert len(one) == len(other) == 100
    assert Identity("a", "a.short", "uuid").package_slug == "a_short"
