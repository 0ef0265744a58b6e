"""Who is at the keyboard, also on machines that know little of them."""

from __future__ import annotations

import getpass

import pytest

from dataflow.workflow.identity import current_user, login


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
