"""The same command in a container: what an engine is told, by one that keeps it, and by a real one."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow import container

ROOT = Path(__file__).parents[1]
ENGINE = """\
#!/bin/sh
printf '%s\\0' "$@" >> "$ENGINE_LOG.$1"
case $1 in
  version) [ -z "$ENGINE_DOWN" ] || { echo "Cannot connect to the daemon" >&2; exit 1; } ;;
  image) [ -z "$ENGINE_EMPTY" ] || exit 1 ;;
  info) echo "[name=seccomp,profile=builtin$ENGINE_ROOTLESS]" ;;
  run) env -0 > "$ENGINE_LOG.env"; cat > "$ENGINE_LOG.stdin"; exit 7 ;;
esac
"""


class Engine:
    """An engine that keeps what it is told."""

    def __init__(self, folder: Path, command, name: str = "docker") -> None:
        self.command, self.log = command, folder / "log"
        folder.mkdir(exist_ok=True)
        program = folder / name
        program.write_text(ENGINE)
        program.chmod(0o755)
        self.environ = {
            **{name: command.environ[name] for name in ("PATH", "DATAFLOW_HOME", "DATAFLOW_USER")},
            "ENGINE_LOG": str(self.log), "DATAFLOW_CONTAINER_ENGINE": str(program),
            "HOME": str(command.folder.parent / "alice"), "USER": "alice", "LOGNAME": "alice",
        }  # fmt: skip
        Path(self.environ["HOME"]).mkdir(exist_ok=True)

    def __call__(self, *arguments, folder=None, code=7, script="", **options):
        """Type a command, and return what the engine was told to run."""
        words = [sys.executable, "-m", "dataflow", *map(str, arguments)]
        if script:
            words = [sys.executable, "-c", f"{script}; from dataflow.__main__ import main; main()", *words[3:]]
        options = {"stdin": subprocess.DEVNULL, **options}
        done = subprocess.run(
            words, cwd=folder or self.command.folder, env=self.environ, capture_output=True, text=True, check=False,
            **options,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        self.done = done
        return self.told("run") if self.told("run") else done.stderr

    def told(self, verb):
        file = Path(f"{self.log}.{verb}")
        return file.read_text().split("\0")[:-1] if file.exists() else []

    @property
    def variables(self):
        return dict(it.partition("=")[::2] for it in Path(f"{self.log}.env").read_text().split("\0")[:-1])


def mounted(told):
    """Return what is mounted: where it stands, where it comes from, and how."""
    found = (re.fullmatch(r"--mount=type=bind,source=(.*),target=(.*?)(,readonly)?", word) for word in told)
    return {it[2]: (it[1], "ro" if it[3] else "rw") for it in found if it}


@pytest.fixture
def engine(tmp_path, dataflow_command):
    return Engine(tmp_path / "engine", dataflow_command)


def test_the_same_command_is_run_with_project_home_and_user_and_its_exit_code_is_the_container_s(engine):
    here, home = str(engine.command.folder), engine.environ["DATAFLOW_HOME"]
    told = engine("--run-in-docker", "-v", "workflow", "run", "a b.yaml", "-p", "A=1 2", "--run-in-docker")
    assert told[:3] == ["run", "--rm", "--init"]
    assert told[told.index("--entrypoint=dataflow") :] == [
        "--entrypoint=dataflow", container.default_image(),
        "-v", "workflow", "run", "a b.yaml", "-p", "A=1 2", "--run-in-docker",
    ]  # fmt: skip
    assert {f"--user={os.getuid()}:{os.getgid()}", f"--workdir={here}", "--pull=never", "--network=host"} <= {*told}
    assert not {"--tty", "--interactive"} & {*told}
    user = engine.environ["HOME"]
    assert mounted(told) == {
        here: (here, "rw"),
        home: (home, "rw"),
        user: (f"{home}/container/home", "rw"),
        "/etc/passwd": (f"{home}/container/passwd", "ro"),
        "/etc/group": (f"{home}/container/group", "ro"),
    }
    assert f"alice:x:{os.getuid()}:{os.getgid()}::{user}:/bin/sh" in Path(home, "container/passwd").read_text()
    assert stat.S_IMODE(Path(home).stat().st_mode) == 0o700
    assert {f"--env=HOME={user}", f"--env=DATAFLOW_HOME={home}", "--env=DATAFLOW_USER"} <= {*told}


def test_an_image_by_its_address_is_pulled_as_the_engine_does(engine):
    for words in (["--docker-image", "registry.test/a:1"], ["--docker-image=registry.test/a:1"]):
        Path(f"{engine.log}.run").unlink(missing_ok=True)
        told = engine("--run-in-docker", *words, "query", "SELECT 1")
        assert told[-3:] == ["registry.test/a:1", "query", "SELECT 1"]
        assert "--pull=never" not in told
    assert engine.told("image") == []


def test_secrets_go_by_name_and_what_is_of_this_machine_does_not_go_at_all(engine, tmp_path):
    secret, key = tmp_path / "secret.txt", tmp_path / "key.json"
    secret.write_text("hush")
    key.write_text("{}")
    engine.environ |= {
        "LAKE_PASSWORD": "hush-hush", "MAIL_TOKEN": "hush-two\nlines", "DB_FILE": str(secret),
        "GOOGLE_APPLICATION_CREDENTIALS": str(key), "JAVA_HOME": "/java", "PYTHONPATH": "",
        "SPARK_HOME": "/spark", "BASH_FUNC_x%%": "() { :; }", "GONE_FILE": "/nowhere/it",
    }  # fmt: skip
    told = engine("--run-in-docker", "env")
    assert {"--env=LAKE_PASSWORD", "--env=MAIL_TOKEN", "--env=DB_FILE"} <= {*told}
    assert not any("hush" in word for word in told)
    assert engine.variables["LAKE_PASSWORD"] == "hush-hush"
    assert not {"--env=JAVA_HOME", "--env=PYTHONPATH", "--env=SPARK_HOME", "--env=PATH", "--env=BASH_FUNC_x%%"} & {
        *told
    }
    found = mounted(told)
    assert found[str(secret)] == (str(secret), "ro")
    assert found[str(key)] == (str(key), "ro")
    assert "/nowhere/it" not in found


def test_credentials_of_the_user_s_home_stand_in_it_and_nothing_else_of_it(engine):
    user = Path(engine.environ["HOME"])
    for name in (".aws/credentials", ".ssh/id", ".config/gcloud/it", ".private/diary"):
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text("")
    (user / ".netrc").write_text("")
    told = engine("--run-in-docker", "env")
    found = {
        path.removeprefix(f"{user}/"): how for path, (_, how) in mounted(told).items() if path.startswith(f"{user}/")
    }
    assert found == {".aws": "rw", ".ssh": "ro", ".config/gcloud": "rw", ".netrc": "ro"}
    own = Path(engine.environ["DATAFLOW_HOME"], "container", "home")
    assert (own / ".config" / "gcloud").is_dir()  # else the engine makes it, as root
    assert (own / ".netrc").is_file()


def test_the_whole_project_is_there_from_any_folder_of_it_and_so_is_what_the_command_names(engine, tmp_path):
    project = tmp_path / "alice" / "lake"
    deep = project / "plays" / "src"
    deep.mkdir(parents=True)
    (project / "dataflow.yaml").write_text("version: 1\nproject: lake\n")
    (project / "plays" / ".git").mkdir()
    (tmp_path / "alice" / ".git").mkdir()  # a home that is kept in git is not the project
    data = tmp_path / "data"
    data.mkdir()
    (data / "plays.csv").write_text("")
    told = engine(
        "--run-in-docker", "table", "load", "../../../../data/plays.csv", f"--to={tmp_path}/out/new.csv",
        "SELECT 1/2", "s3://bucket/x", folder=deep,
    )  # fmt: skip
    assert f"--workdir={deep}" in told
    assert {*mounted(told)} - {"/etc/passwd", "/etc/group"} == {
        str(project), str(data / "plays.csv"), engine.environ["DATAFLOW_HOME"], engine.environ["HOME"],
    }  # fmt: skip
    (tmp_path / "out").mkdir()
    Path(f"{engine.log}.run").unlink()
    told = engine("--run-in-docker", "query", "SELECT 1", f"--to={tmp_path}/out/new.csv", folder=deep)
    assert str(tmp_path / "out") in mounted(told)


def test_folders_that_the_project_s_file_names_are_there_and_those_that_are_to_be_made_can_be(engine, tmp_path):
    for name in ("lake", "state", "shared"):
        (tmp_path / name).mkdir()
    (engine.command.folder / "dataflow.yaml").write_text(
        f"""\
version: 1
project: lake
registry: {tmp_path}/shared/registry/all
environments:
  production:
    state: sqlite:///{tmp_path}/state/state.db
    exports: [s3://bucket/out/, "{tmp_path}/lake/out/"]
    catalog:
      uri: jdbc:sqlite:{tmp_path}/state/c.db?journal_mode=WAL
      warehouse: "file://{tmp_path}/lake"
    openlineage: https://lineage.test{tmp_path}/no  # /usr/share is never hidden
"""
    )
    found = {*mounted(engine("--run-in-docker", "env"))}
    assert {str(tmp_path / it) for it in ("lake", "state", "shared")} <= found
    assert not {"/usr/share", "/", str(tmp_path)} & found


def test_a_worktree_has_its_repository_with_it(engine, tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q", tmp_path / "main"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True, cwd=tmp_path / "main")
    subprocess.run([*git, "worktree", "add", "-q", tmp_path / "tree"], check=True, cwd=tmp_path / "main")
    found = mounted(engine("--run-in-docker", "env", folder=tmp_path / "tree"))
    assert {str(tmp_path / "tree"), str(tmp_path / "main" / ".git")} <= {*found}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"DATAFLOW_CONTAINER_ENGINE": "no-such-engine"},
            "needs a container engine, and 'no-such-engine' is not installed",
        ),
        (
            {"DATAFLOW_CONTAINER_ENGINE": "podman", "PATH": "/nowhere"},
            "'podman' is not installed\n  → install it, or name another one: export DATAFLOW_CONTAINER_ENGINE=docker",
        ),
        ({"ENGINE_DOWN": "1"}, "the container engine does not answer: Cannot connect to the daemon"),
        ({"ENGINE_EMPTY": "1"}, f"there is no image {container.default_image()} here"),
    ],
)
def test_without_an_engine_or_an_image_it_is_one_clear_line(engine, change, said):
    engine.environ |= change
    told = engine("--run-in-docker", "env", code=2)
    assert told.startswith("error: ")
    assert said in told
    assert len(told.splitlines()) == 2
    assert engine.told("run") == []


def test_what_would_hide_the_image_s_files_or_can_t_be_named_is_refused(engine, tmp_path):
    for arguments, folder in (
        (["env"], Path("/usr/share")),
        (["query", "x", "--to", "/opt/new.csv"], None),
        (["env"], "/"),
    ):
        assert "can't be mounted into a container" in engine("--run-in-docker", *arguments, folder=folder, code=2)
    odd = tmp_path / 'a,"b'
    odd.mkdir()
    assert "its name has a comma, a quote or a line break" in engine("--run-in-docker", "env", folder=odd, code=2)
    assert "--docker-image is of no use without --run-in-docker" in engine("--docker-image", "x", "env", code=2)


def test_podman_maps_the_user_by_itself_and_a_rootless_docker_has_them_as_root(tmp_path, dataflow_command):
    alice = "import os; os.getuid = lambda: 1234; os.getgid = lambda: 1235; os.getgroups = lambda: [1235, 77]"
    podman = Engine(tmp_path / "podman", dataflow_command, "podman")
    told = podman("--run-in-docker", "env", script=alice)
    assert {"--userns=keep-id", "--user=1234:1235", "--security-opt=label=disable"} <= {*told}
    assert "/etc/passwd" not in mounted(told)
    docker = Engine(tmp_path / "docker", dataflow_command)
    assert {"--user=1234:1235", "--group-add=77"} <= {*docker("--run-in-docker", "env", script=alice)}
    Path(f"{docker.log}.run").unlink()
    docker.environ["ENGINE_ROOTLESS"] = " name=rootless"
    assert "--user=0:0" in docker("--run-in-docker", "env", script=alice)


def test_what_is_piped_in_is_read_and_options_of_one_s_own_come_last(engine):
    engine.environ["DATAFLOW_CONTAINER_OPTIONS"] = "--network=lake --memory 8g"
    told = engine("--run-in-docker", "env", stdin=None, input="piped")
    assert "--interactive" in told
    assert "--tty" not in told
    assert Path(f"{engine.log}.stdin").read_text() == "piped"
    assert "--network=host" not in told
    assert told[told.index("--network=lake") : told.index("--entrypoint=dataflow")] == [
        "--network=lake",
        "--memory",
        "8g",
    ]


def test_on_a_terminal_the_container_has_it(engine):
    from tests.support.terminal import Terminal

    shown = Terminal(["--run-in-docker", "env"], engine.command.folder, engine.environ)
    try:
        shown.type("\x04")
        assert shown.end() == "7"
    finally:
        shown.close()
    assert engine.told("run")[3:5] == ["--interactive", "--tty"]


def test_the_dockerfile_has_what_the_recipes_need_and_runs_as_nobody_s_root():
    text = (ROOT / "Dockerfile").read_text()
    from tests.optional_tools import SPARKLYR_RECIPE, TOOLS

    packages = {
        "git",
        "openjdk-17-jre-headless",
        *(it for name in ("R", *SPARKLYR_RECIPE) for it in TOOLS[name].packages),
    }
    assert packages <= {*text.split()}
    assert text.count("\nUSER ") == 1
    assert text.index("\nUSER dataflow\n") < text.index('\nENTRYPOINT ["dataflow"]\n')
    script = re.search(r'python -c "(.*)" > ', text)[1].replace("/src/pyproject.toml", str(ROOT / "pyproject.toml"))
    needs = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "pyspark==4.1.3" in needs
    assert any(it.startswith("psycopg") for it in needs)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert not {".git", "src", "recipes", "hooks", "copier.yml", "README.md", "LICENSE", "hatch_build.py"} & {*ignored}
