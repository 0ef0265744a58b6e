"""Who somebody is, where little says so."""

from __future__ import annotations

import getpass
import subprocess

import pytest

from dataflow.errors import UsageError
from dataflow.workflow.identity import Identity, current_user


def test_a_login_without_a_name_is_asked_for_one(monkeypatch, tmp_path):
    monkeypatch.delenv("DATAFLOW_USER", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)

    def nobody():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(UsageError, match="nobody says who you are") as caught:
        current_user()
    assert caught.value.hint == "set DATAFLOW_USER"
    monkeypatch.setenv("DATAFLOW_USER", "ci")
    assert current_user() == "ci"


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
