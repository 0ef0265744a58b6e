"""Bringing a package up to date: end to end, from one version of the template to the next."""

from __future__ import annotations

import base64
import http.server
import subprocess
import threading
from pathlib import Path

import copier
import pytest
import yaml
from typer.testing import CliRunner

from dataflow.cli.sample import app
from dataflow.errors import DataflowError, UsageError
from dataflow.sample.generate import generate
from dataflow.sample.update import update as update_package
from tests.support.repositories import commit, git
from tests.support.template_repo import contents, replace

pytestmark = pytest.mark.slow


def update(folder: Path, ref: str | None = None):
    """Update a package of a template that is not the tool's own."""
    return update_package(folder, ref, trust=True)


@pytest.fixture
def package(template: Path, tmp_path: Path) -> Path:
    """A package of the first version, in a repository of its own, below its top."""
    folder = tmp_path / "project" / "flow"
    generate("spark-sql", folder, source_path=str(template))
    commit(tmp_path / "project", "Generated")
    return folder


def second_version(template: Path, tag: str | None = None) -> None:
    """Change a line, add a line, add a file and drop one."""
    replace(template / "recipes/shared/main.sch.yaml", "max: 50000", "max: 60000")
    replace(template / "recipes/shared/README.md", "## Changing it", "## How to change it")
    (template / "recipes/spark-sql/NOTES.md").write_text("New with the second version.\n")
    (template / "recipes/spark-sql/.gitignore.jinja").unlink()
    commit(template, "Two", tag)


@pytest.mark.parametrize("tags", [(None, None), ("v1.0.0", "v1.1.0")])
@pytest.mark.parametrize("updated_by", ["us", "plain copier"])
def test_an_unedited_package_becomes_what_a_fresh_copy_is(
    tags: tuple[str | None, str | None], updated_by: str, template: Path, tmp_path: Path
) -> None:
    commit(template, "First", tags[0])
    package = generate("pyspark", tmp_path / "flow", source_path=str(template)).folder
    commit(package, "Generated")
    second_version(template, tags[1])

    if updated_by == "us":
        assert update(package).conflicts == ()
    else:
        copier.run_update(package, defaults=True, overwrite=True, quiet=True, unsafe=True)

    fresh = generate("pyspark", tmp_path / "fresh" / "flow", source_path=str(template)).folder
    assert contents(package, without=("identity.yaml",)) == contents(fresh, without=("identity.yaml",))
    assert "## How to change it" in (package / "README.md").read_text()


def test_an_update_says_what_it_changed(package: Path, template: Path) -> None:
    second_version(template)
    assert update(package).changed == (
        ".copier-answers.yml",
        ".gitignore",
        "NOTES.md",
        "README.md",
        "main.sch.yaml",
    )


def test_edits_are_kept(package: Path, template: Path) -> None:
    replace(package / "src/sparksql_write.sql", "title_rank <= 100", "title_rank <= 10")
    replace(package / "main.sch.yaml", "lifetime_days: 123", "lifetime_days: 30")
    (package / "notes.txt").write_text("mine")
    commit(package.parent)
    second_version(template)

    assert update(package).conflicts == ()

    main = (package / "main.sch.yaml").read_text()
    assert "lifetime_days: 30" in main
    assert "max: 60000" in main
    assert "title_rank <= 10\n" in (package / "src/sparksql_write.sql").read_text()
    assert (package / "notes.txt").read_text() == "mine"


def test_a_package_from_before_there_were_cadences_stays_daily(package: Path, template: Path) -> None:
    answers = package / ".copier-answers.yml"
    replace(answers, "cadence: daily\n", "")
    commit(package.parent)
    before = contents(package)
    second_version(template)

    assert update(package).conflicts == ()

    assert "cadence: daily\n" in answers.read_text()
    assert (package / "daily.sch.yaml").read_bytes() == before["daily.sch.yaml"]


def test_a_conflict_fails_and_names_the_file(package: Path, template: Path) -> None:
    replace(package / "main.sch.yaml", "max: 50000", "max: 70000")
    commit(package.parent)
    second_version(template)

    with pytest.raises(DataflowError, match=r"the same lines of main\.sch\.yaml") as failure:
        CliRunner().invoke(app, ["update", "--trust", str(package)], catch_exceptions=False)

    assert failure.value.exit_code == 1
    assert "<<<<<<<" in (package / "main.sch.yaml").read_text()


def test_scripts_learn_of_a_conflict_by_json_and_exit_code(package: Path, template: Path) -> None:
    replace(package / "main.sch.yaml", "max: 50000", "max: 70000")
    commit(package.parent)
    second_version(template)
    done = CliRunner().invoke(app, ["update", "--trust", str(package), "--output", "json"])
    assert done.exit_code == 1
    assert yaml.safe_load(done.stdout)["conflicts"] == ["main.sch.yaml"]


def test_whoever_updates_it_the_identity_stays(
    package: Path,
    template: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = (package / "identity.yaml").read_bytes()
    second_version(template)
    monkeypatch.setenv("DATAFLOW_USER", "bob")

    update(package)

    assert (package / "identity.yaml").read_bytes() == before


def test_a_package_made_from_open_changes_can_be_updated(template: Path, tmp_path: Path) -> None:
    replace(template / "recipes/shared/README.md", "## Changing it", "## Draft")
    folder = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    commit(folder)
    replace(template / "recipes/shared/README.md", "## Draft", "## Final")
    commit(template)

    assert "README.md" in update(folder).conflicts  # its draft is an edit like any other


def test_up_to_date_is_no_failure(package: Path) -> None:
    done = CliRunner().invoke(app, ["update", "--trust", str(package)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "is up to date" in done.stdout


def test_outside_git_it_says_so_first(template: Path, tmp_path: Path) -> None:
    folder = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    with pytest.raises(UsageError, match="is not in git") as refusal:
        update(folder)
    assert "git init" in str(refusal.value.hint)


def test_open_changes_are_named_first(package: Path) -> None:
    (package / "README.md").write_text("changed")
    with pytest.raises(UsageError, match=r"not committed: flow/README\.md"):
        update(package)


def test_what_is_not_a_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a package"):
        update(tmp_path)


def test_a_package_without_a_version_is_told(template: Path, tmp_path: Path) -> None:
    (template / ".git").rename(tmp_path / "elsewhere")
    folder = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    commit(folder)
    with pytest.raises(UsageError, match="names no version"):
        update(folder)


def test_a_template_that_moved_away_is_one_message(package: Path, template: Path) -> None:
    template.rename(template.with_name("moved"))
    with pytest.raises(DataflowError):
        update(package)


@pytest.mark.parametrize(
    "text", ["x\n", "", "- a\n", "_src_path: [\n", "\x00", "[" * 3000, "_src_path: {a: b}\n_commit: 1\n", "\xff"]
)
def test_answers_of_any_content_end_in_a_message(text: str, package: Path) -> None:
    (package / ".copier-answers.yml").write_bytes(text.encode("latin-1"))
    commit(package.parent, "Broken")
    with pytest.raises(UsageError):
        update(package)


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A package of somebody's template that has a command in each version."""
    evil, folder = tmp_path / "evil", tmp_path / "theirs"
    evil.mkdir()
    (evil / "copier.yml").write_text('_tasks: ["id > PWNED-ALREADY"]\nrecipe: {type: str, default: spark-sql}\n')
    (evil / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}")
    commit(evil, "One", "v1")
    (evil / "copier.yml").write_text('_tasks: ["id > PWNED"]\nrecipe: {type: str, default: spark-sql}\n')
    commit(evil, "Two", "v2")
    folder.mkdir()
    (folder / ".copier-answers.yml").write_text(f"_commit: v1\n_src_path: {evil}\nrecipe: spark-sql\n")
    commit(folder, "Theirs")
    return folder


def test_commands_of_another_s_template_run_only_where_it_is_trusted(stranger: Path) -> None:
    done = CliRunner().invoke(app, ["update", str(stranger)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "left out, as the template is not the tool's own (--trust runs it): id > PWNED" in done.output
    assert not list(stranger.parent.rglob("PWNED*"))
    git(stranger, "checkout", "--quiet", ".")
    assert CliRunner().invoke(app, ["update", str(stranger), "--trust"], catch_exceptions=False).exit_code == 0
    assert (stranger / "PWNED").exists()


def test_a_template_that_always_had_commands_is_updated_without_them(package: Path, template: Path) -> None:
    second_version(template)
    done = CliRunner().invoke(app, ["update", str(package)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "left out, as the template is not the tool's own" in done.output
    assert "max: 60000" in (package / "main.sch.yaml").read_text()


@pytest.mark.parametrize(
    ("line", "name", "text", "said"),
    [
        ("_jinja_extensions: [evil.X]", "f.txt", "x", "wants to run commands here: jinja_extensions"),
        ("_migrations: [{command: 'id > PWNED'}]", "f.txt", "x", "wants to run commands here: migrations"),
        ("_x: 1", "g.txt.jinja", "{{ cycler.__init__.__globals__.os.popen('id > PWNED') }}", "can't be rendered"),
        ("_x: 1", "g.txt.jinja", "{% include '../../etc/passwd' %}", "can't be rendered: ../../etc/passwd"),
        ("_external_data: {a: /etc/passwd}", "g.txt.jinja", "{{ _external_data.a }}", 'can\'t be used: "/etc/passwd"'),
        ("_x: 1", "{{ '..' }}/evil", "x", 'can\'t be used: ".." is forbidden'),
    ],
)
def test_other_ways_of_a_template_to_reach_out_end_in_a_message(
    stranger: Path, line: str, name: str, text: str, said: str
) -> None:
    evil = stranger.parent / "evil"
    (evil / "copier.yml").write_text(f"recipe: {{type: str, default: spark-sql}}\n{line}\n")
    (evil / name).parent.mkdir(exist_ok=True)
    (evil / name).write_text(text)
    commit(evil, "Three", "v3")
    with pytest.raises(DataflowError) as refusal:
        update_package(stranger)
    assert said in refusal.value.message
    assert not list(stranger.parent.rglob("PWNED"))


def test_no_template_can_set_what_git_runs(stranger: Path) -> None:
    evil, pwned = stranger.parent / "evil", stranger.parent / "PWNED"
    others = ["refs", "objects", "index", "HEAD", "logs", "packed-refs", "branches", "info", "description", "hooks"]
    (evil / "copier.yml").write_text(f"_exclude: [copier.yml, {', '.join(f'.git/{it}' for it in others)}]\n")
    for number in range(8):  # which one of equal names wins is the file system's order
        folder = evil / f"{{{{ '' ~ '.git'{' ' * number} }}}}"
        folder.mkdir()
        (folder / "config").write_text(f'[core]\n\tbare = false\n\tfsmonitor = "touch {pwned};true"\n')
    commit(evil, "Three", "v3")
    assert ".copier-answers.yml" in update_package(stranger).changed
    assert not pwned.exists()


def test_the_tool_s_own_template_needs_no_trust(package: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second_version(template)
    monkeypatch.setattr("dataflow.sample.origin._PACKAGE", template / "src" / "dataflow")
    assert update_package(package).changed


def test_a_template_of_somebody_else_says_what_it_runs(tmp_path: Path, template: Path) -> None:
    said: list[str] = []
    generate("spark-sql", tmp_path / "new", source_path=str(template), report=said.append)
    assert len(said) == 1
    assert "pin_identity.py" in said[0]


def test_an_address_s_credentials_are_neither_kept_nor_shown(template: Path, tmp_path: Path) -> None:
    heard: list[str | None] = []
    bare = tmp_path / "served" / "t.git"
    bare.parent.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(template), str(bare))
    git(bare, "update-server-info")

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, directory=str(bare.parent), **kwargs)

        def do_GET(self) -> None:
            heard.append(self.headers["Authorization"])
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"127.0.0.1:{server.server_port}/t.git"
    try:
        done = CliRunner().invoke(
            app,
            ["workflow", "spark-sql", str(tmp_path / "p"), "--source-path", f"HTTP://bot:S3CRET-word@{where}"],
            catch_exceptions=False,
        )
        assert done.exit_code == 0
        assert "S3CRET" not in done.output
        answers = tmp_path / "p" / ".copier-answers.yml"
        assert "S3CRET" not in answers.read_text()
        assert where in answers.read_text()
        # plain Copier keeps them: an update takes them out
        answers.write_text(answers.read_text().replace("http://", "http://bot:S3CRET-word@"))
        commit(tmp_path / "p", "Theirs")
        second_version(template)
        git(bare, "fetch", "--quiet", str(template), "HEAD:refs/tags/v9.0.0")
        git(bare, "update-server-info")
        updated = update(tmp_path / "p", "v9.0.0")
    finally:
        server.shutdown()
    assert updated.changed
    assert "S3CRET" not in answers.read_text()
    assert set(heard) == {f"Basic {base64.b64encode(b'bot:S3CRET-word').decode()}"}


def ignore_globally(tmp_path: Path, *patterns: str) -> None:
    (tmp_path / "ignore").write_text("".join(f"{it}\n" for it in patterns))
    (tmp_path / "gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path / 'ignore'}\n")


def test_what_git_ignores_is_neither_deleted_nor_overwritten(template: Path, tmp_path: Path) -> None:
    ignore_globally(tmp_path, ".vscode/", "NOTES.md", "*.pyc")
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    commit(package, "Generated")
    (package / ".vscode/settings.json").write_text("mine")
    (package / ".vscode/launch.json").write_text("mine as well")
    (package / "NOTES.md").write_text("my notes")
    (package / "target").mkdir()
    (package / "target/a.pyc").write_text("built")
    second_version(template)

    done = update(package)

    assert done.left == ("NOTES.md",)
    assert "README.md" in done.changed
    kept = (package / ".vscode/settings.json", package / ".vscode/launch.json", package / "NOTES.md")
    assert [it.read_text() for it in kept] == ["mine", "mine as well", "my notes"]
    assert (package / "target/a.pyc").is_file()


@pytest.mark.parametrize("how", ["renamed", "removed"])
def test_an_edit_of_a_file_that_the_recipe_renames_or_removes_is_a_conflict(
    package: Path, template: Path, how: str
) -> None:
    name = "src/sparksql_write.test.yaml"
    with (package / name).open("a") as file:
        file.write("# an edit of the owner's\n")
    commit(package.parent)
    old = template / "recipes/spark-sql" / f"{name}.jinja"
    if how == "renamed":
        old.rename(old.with_name("steps.test.yaml.jinja"))
    else:
        old.unlink()
    commit(template, "Two")

    with pytest.raises(DataflowError, match=r"has no src/sparksql_write\.test\.yaml any more") as failure:
        CliRunner().invoke(app, ["update", str(package), "--trust"], catch_exceptions=False)

    assert failure.value.exit_code == 1
    assert "an edit of the owner's" in (package / name).read_text()
    assert git(package, "diff", "--name-only", "--diff-filter=U", "--relative") == name


def test_a_file_that_the_recipe_removes_and_nobody_edited_goes(package: Path, template: Path) -> None:
    (template / "recipes/spark-sql/src/sparksql_write.test.yaml.jinja").unlink()
    commit(template, "Two")
    assert update(package).conflicts == ()
    assert not (package / "src/sparksql_write.test.yaml").exists()


def test_what_is_advised_undoes_the_whole_update(package: Path, template: Path) -> None:
    replace(package / "main.sch.yaml", "max: 50000", "max: 70000")
    commit(package.parent)
    before = contents(package.parent)
    second_version(template)
    with pytest.raises(DataflowError) as failure:
        CliRunner().invoke(app, ["update", str(package), "--trust"], catch_exceptions=False)
    assert contents(package.parent) != before
    command = str(failure.value.hint).partition("undo the whole update: ")[2]
    subprocess.run(command.replace(" -- flow", f" -- {package}"), shell=True, cwd=package, check=True)  # noqa: S602
    assert contents(package.parent) == before
    assert git(package, "status", "--porcelain") == ""


def test_a_reject_of_one_s_own_is_no_conflict(package: Path, template: Path) -> None:
    (package / "old.sql.rej").write_text("of a patch of mine")
    commit(package.parent)
    second_version(template)
    assert update(package).conflicts == ()


def test_a_file_with_conflict_markers_is_not_committed_unseen(package: Path, template: Path) -> None:
    replace(package / "main.sch.yaml", "max: 50000", "max: 70000")
    commit(package.parent)
    second_version(template)
    update(package)
    with pytest.raises(subprocess.CalledProcessError):
        git(package, "commit", "-m", "unseen")


def test_ahead_of_the_last_release_it_says_what_to_do(template: Path, tmp_path: Path) -> None:
    commit(template, "First", "v1.0.0")
    replace(template / "recipes/shared/README.md", "## Changing it", "## Draft")
    commit(template, "Unreleased")
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    commit(package, "Generated")
    with pytest.raises(UsageError, match=r"is at v1\.0\.0-1-g\w+, which is newer than the last release") as refusal:
        update(package)
    assert "--ref HEAD" in str(refusal.value.hint)
    replace(template / "recipes/shared/README.md", "## Draft", "## Next")
    commit(template, "Unreleased as well")
    assert "README.md" in update(package, "HEAD").changed


def test_a_hook_s_git_variables_reach_neither_the_template_nor_the_package(
    package: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_version(template)
    other = tmp_path / "other"
    commit(make_folder(other), "Another repository")
    before = contents(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert "README.md" in update(package).changed
    assert contents(other) == before


def make_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    return folder


def test_a_conflict_is_marked_in_a_repository_of_longer_checksums(template: Path, tmp_path: Path) -> None:
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    git(package, "init", "--quiet", "--object-format=sha256")
    commit(package, "Generated")
    replace(package / "main.sch.yaml", "max: 50000", "max: 70000")
    commit(package)
    second_version(template)
    assert update(package).conflicts == ("main.sch.yaml",)
    assert git(package, "diff", "--name-only", "--diff-filter=U") == "main.sch.yaml"
