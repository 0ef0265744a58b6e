"""The same command in a container: what is typed, seen and written there is what would be without one.

Project, Dataflow home and credentials stand at the same paths and belong to the same user; exit code, signals and the
terminal are the engine's business, which takes the place of this process.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from dataflow.errors import DataflowError, UsageError
from dataflow.files import write_file
from dataflow.home import home, subfolder
from dataflow.process import capture

FLAG, IMAGE = "--run-in-docker", "--docker-image"
ENGINE = "DATAFLOW_CONTAINER_ENGINE"
OPTIONS = "DATAFLOW_CONTAINER_OPTIONS"

_CREDENTIALS = {  # below the user's home; True: refreshed in place
    ".aws": True,
    ".azure": True,
    ".config/gcloud": True,
    ".config/git": False,
    ".config/pip": False,
    ".config/uv": False,
    ".git-credentials": False,
    ".gitconfig": False,
    ".kube": True,
    ".m2/settings.xml": False,
    ".netrc": False,
    ".pgpass": False,
    ".ssh": False,
}
_OF_THE_MACHINE = """
BASH_ENV CDPATH COLORTERM CONTAINER_CONNECTION CONTAINER_HOST CONTAINERS_CONF DBUS_SESSION_BUS_ADDRESS DISPLAY
DOCKER_API_VERSION DOCKER_CERT_PATH DOCKER_CONFIG DOCKER_CONTEXT DOCKER_HOST DOCKER_TLS_VERIFY EDITOR HADOOP_CONF_DIR
HADOOP_HOME HOME HOSTNAME JAVA_HOME JDK_HOME JRE_HOME LD_LIBRARY_PATH LD_PRELOAD LESSCLOSE LESSOPEN LS_COLORS MAIL
OLDPWD PAGER PATH PS1 PWD PYENV_ROOT PYENV_SHELL PYENV_VERSION PYSPARK_DRIVER_PYTHON PYSPARK_PYTHON PYTHONEXECUTABLE
PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONSTARTUP PYTHONUSERBASE R_HOME R_LIBS R_LIBS_SITE R_LIBS_USER SHELL
SHLVL SPARK_CONF_DIR SPARK_HOME SPARK_LOCAL_DIRS SSH_AGENT_PID SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY TEMP
TMP TMPDIR UV_CACHE_DIR VIRTUAL_ENV VIRTUAL_ENV_PROMPT VISUAL WAYLAND_DISPLAY WINDOWID XAUTHORITY _
"""
"""Variables that say where something is on this machine, or what shows this terminal."""

_OF_THE_MACHINE_TOO = ("BASH_FUNC_", "CONDA_", "DATAFLOW_CONTAINER_", "DYLD_", "XDG_")
_NAMES_A_FILE = re.compile(r".*(_FILE|_CREDENTIALS|_BUNDLE|_CERT|_KEYTAB|_KEY_PATH)|KUBECONFIG|DATAFLOW_.*")
_WORD = re.compile(r"""[^\s"'\[\]{},]+""")
_LOCAL = re.compile(r"(?:(?:jdbc:)?(?:(?:file|sqlite(?:\+\w+)?):)+/*(?=/)|(?!//))(/[^?#]*)(?:[?#].*)?")
"""A path, or the address of a file."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIVE = tuple(Path("/", it) for it in ("dev", "proc", "sys"))
_OF_THE_IMAGE = (*_LIVE, *(Path("/", it) for it in ("bin", "boot", "etc", "lib", "lib64", "run", "sbin", "usr")))
_TOO_MUCH = {Path("/"), *(Path("/", it) for it in ("home", "media", "mnt", "opt", "srv", "var"))}


def default_image() -> str:
    """Return the image that `docker build` makes of the repository's Dockerfile, by this version's tag."""
    return f"dataflow:{version('dataflow-recipes')}"


def without_flags(arguments: Sequence[str]) -> list[str]:
    """Return the words of a command without those that ask for a container; they stand before its name."""
    rest, kept = list(arguments), []
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == IMAGE:
            del rest[:1]
        elif word != FLAG and not word.startswith(f"{IMAGE}="):
            kept.append(word)
    return kept + rest


def command(arguments: Sequence[str], image: str | None) -> list[str]:
    """Return the engine's command that runs a command of ours in a container.

    Args:
        arguments: The command, as it was typed behind `dataflow`.
        image: The image; None for the one that is built of the repository.

    Raises:
        UsageError: There is no engine, it can't be reached, there is no image, or the folder can't be mounted.
    """
    engine = _Engine.find()
    engine.require_reachable()
    if image is None:
        engine.require_image(default_image())
    here = Path.cwd()
    variables = {name: value for name, value in os.environ.items() if _is_handed_on(name)}
    words = without_flags(arguments)
    mounts = _mounts(here, words, variables)
    own = shlex.split(os.environ.get(OPTIONS, ""))
    return [
        engine.path, "run", "--rm", "--init",
        *_terminal(),
        *engine.user(),
        *(() if any(it.startswith(("--network", "--net")) for it in own) else ("--network=host",)),
        "--security-opt=label=disable",
        *(word for mount in mounts for word in mount.words),
        *engine.accounts(),
        f"--env=HOME={_user_home()}", f"--env=DATAFLOW_HOME={home()}",
        *(f"--env={name}" for name in sorted(variables) if name != "DATAFLOW_HOME"),
        f"--workdir={here}",
        *(("--pull=never",) if image is None else ()),
        *own,
        "--entrypoint=dataflow",
        image or default_image(),
        *words,
    ]  # fmt: skip


def become(words: Sequence[str]) -> NoReturn:
    """Let the engine take the place of this process, with its terminal, signals and exit code."""
    try:
        os.execv(words[0], list(words))  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"error: {words[0]} can't be started: {error.strerror}\n")
        sys.exit(UsageError.exit_code)


@dataclass(frozen=True)
class _Mount:
    """A file or folder that stands in the container at the path that it has here, or at another one."""

    path: Path
    source: Path
    read_only: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What the engine is told."""
        for path in (self.path, self.source):
            if "," in str(path) or '"' in str(path) or "\n" in str(path):
                raise UsageError(f"{str(path)!r} can't be mounted: its name has a comma, a quote or a line break")
        more = ",readonly" if self.read_only else ""
        return (f"--mount=type=bind,source={self.source},target={self.path}{more}",)


@dataclass(frozen=True)
class _Engine:
    """A container engine.

    Attributes:
        path: Its program.
        is_podman: Whether it maps users as Podman does.
    """

    path: str
    is_podman: bool

    @classmethod
    def find(cls) -> _Engine:
        """Return the engine that is asked for.

        Raises:
            UsageError: It is not there.
        """
        name = os.environ.get(ENGINE) or "docker"
        found = shutil.which(name)
        if found is None:
            raise UsageError(
                f"{FLAG} needs a container engine, and '{name}' is not installed",
                f"install it, or name another one: export {ENGINE}={'docker' if name == 'podman' else 'podman'}",
            )
        return cls(found, "podman" in Path(found).name)

    def require_reachable(self) -> None:
        """Ask whether the engine answers.

        Raises:
            UsageError: It does not.
        """
        try:
            asked = capture([self.path, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"], timeout=30)
        except DataflowError as error:
            raise UsageError(error.message) from None
        if asked.code and not self.is_podman:
            said = next(iter(asked.error_text.strip().splitlines()), "no reason given")
            raise UsageError(f"the container engine does not answer: {said}"[:300], f"look at `{self.path} info`")

    def require_image(self, image: str) -> None:
        """Ask whether an image is here that no registry has.

        Raises:
            UsageError: It is not.
        """
        if capture([self.path, "image", "inspect", image], timeout=30).code:
            name = Path(self.path).name
            raise UsageError(
                f"there is no image {image} here",
                f"build it in a clone of Dataflow: {name} build --tag {image} .  or name one: {IMAGE} URL",
            )

    def user(self) -> tuple[str, ...]:
        """Return the options by which what is written belongs to this user."""
        uid, gid = os.getuid(), os.getgid()
        if self.is_podman and uid:
            return ("--userns=keep-id", f"--user={uid}:{gid}")
        if not self.is_podman and uid and self._is_rootless():
            return ("--user=0:0",)
        groups = (f"--group-add={it}" for it in os.getgroups() if it != gid)
        return (f"--user={uid}:{gid}", *groups)

    def accounts(self) -> Iterator[str]:
        """Yield the mounts by which the user has a name in the container: Hadoop's login fails without one."""
        if self.is_podman:
            return
        login, uid, gid = _login(), os.getuid(), os.getgid()
        root = "" if uid == 0 else "root:x:0:0:root:/root:/bin/sh\n"
        files = {
            "passwd": f"{root}{login}:x:{uid}:{gid}::{_user_home()}:/bin/sh\n",
            "group": f"{'' if gid == 0 else 'root:x:0:'}\n{login}:x:{gid}:\n".lstrip(),
        }
        for name, text in files.items():
            file = subfolder("container") / name
            if not (file.is_file() and file.read_text() == text):
                write_file(file, text)
                file.chmod(0o644)
            yield from _Mount(Path("/etc", name), file, read_only=True).words

    def _is_rootless(self) -> bool:
        return "rootless" in capture([self.path, "info", "--format", "{{.SecurityOptions}}"], timeout=30).text


def _login() -> str:
    """Return the user's name, as the system would take it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "user"
    return re.sub(r"[^a-zA-Z0-9_.-]", "_", name) or "user"


def _user_home() -> Path:
    return Path(os.environ.get("HOME") or "/").absolute()


def _terminal() -> tuple[str, ...]:
    """Return the options for a terminal where there is one; what is piped in is read all the same."""
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty():
        return ("--interactive", "--tty")
    return ("--interactive",) if _has_input() else ()


def _has_input() -> bool:
    """Say whether something may be read: a terminal's keys, a pipe or a file, not nothing."""
    try:
        kind = os.fstat(0).st_mode
    except OSError:
        return False
    return os.isatty(0) or stat.S_ISFIFO(kind) or stat.S_ISREG(kind) or stat.S_ISSOCK(kind)


def _is_handed_on(name: str) -> bool:
    """Say whether a variable means the same in a container."""
    return bool(_VARIABLE.fullmatch(name)) and not (name in _OF_THE_MACHINE or name.startswith(_OF_THE_MACHINE_TOO))


def _mounts(here: Path, words: Sequence[str], variables: Mapping[str, str]) -> list[_Mount]:
    """Return what stands in the container, outer folders first, each path once."""
    project, own = _project(here), subfolder()
    _require_mountable(project)
    places = [_Mount(project, project), *_repository(project), _Mount(own, own)]
    for named in _named(here, words):
        _require_mountable(named)
        places.append(_Mount(named, named))
    places += _of_settings(here, project)
    places += _of_variables(variables)
    places += _of_user(places)
    found: dict[Path, _Mount] = {}
    for mount in sorted(places, key=lambda it: (len(it.path.parts), str(it.path), it.read_only)):
        if not any(mount.path.is_relative_to(it.path) for it in found.values() if it.path == it.source):
            found[mount.path] = mount
    _make_places(list(found.values()))
    return list(found.values())


def _of_settings(here: Path, project: Path) -> Iterator[_Mount]:
    """Yield the files and folders outside that `dataflow.yaml` names, such as a warehouse or a registry.

    What is not there yet is made in the next folder above, which is mounted for it.
    """
    for folder in (here, *here.parents):
        if folder.is_relative_to(project) and (file := folder / "dataflow.yaml").is_file():
            for word in _WORD.findall(file.read_text("utf-8", errors="replace")):
                if found := _LOCAL.fullmatch(word):
                    path = Path(os.path.normpath(found[1]))
                    place = next(it for it in (path, *path.parents) if it.exists())
                    if _is_mountable(place):
                        yield _Mount(place, place)
            return


def _of_variables(variables: Mapping[str, str]) -> Iterator[_Mount]:
    """Yield the files that variables name: secrets and credentials, certificates, what is Dataflow's own."""
    for name, value in variables.items():
        if _NAMES_A_FILE.fullmatch(name) and value.startswith("/"):
            path = Path(os.path.normpath(value))
            may = _is_mountable(path) if path.is_dir() else not _is_within(path, _LIVE)
            if may and path.exists():
                yield _Mount(path, path, read_only=not name.startswith("DATAFLOW_"))


def _of_user(places: Sequence[_Mount]) -> Iterator[_Mount]:
    """Yield the user's home in the container, a folder of its own there, with the credentials of the real one."""
    user = _user_home()
    if not _is_mountable(user):
        return
    for name, is_refreshed in _CREDENTIALS.items():
        if (user / name).exists():
            yield _Mount(user / name, user / name, read_only=not is_refreshed)
    if not any(user.is_relative_to(it.path) for it in places):
        yield _Mount(user, subfolder("container", "home"))


def _make_places(mounts: Sequence[_Mount]) -> None:
    """Make what is mounted into the container's own home there: else the engine makes it, as root."""
    for outer in (it for it in mounts if it.path != it.source):
        for mount in mounts:
            if mount is not outer and mount.path.is_relative_to(outer.path):
                place = outer.source / mount.path.relative_to(outer.path)
                (place if mount.source.is_dir() else place.parent).mkdir(parents=True, exist_ok=True)
                if not mount.source.is_dir():
                    place.touch()


def _project(here: Path) -> Path:
    """Return the outermost folder that belongs to the project; not the user's home, which may be in git as well."""
    beyond = {_user_home(), *_user_home().parents}
    inside = [it for it in (here, *here.parents) if it == here or it not in beyond]
    roots = [it for it in inside if (it / "dataflow.yaml").is_file() or (it / ".git").exists()]
    return roots[-1] if roots else here


def _repository(project: Path) -> Iterator[_Mount]:
    """Yield what the working tree of a repository needs of it, where that lies elsewhere."""
    link = project / ".git"
    if not link.is_file():
        return
    own = Path(project, link.read_text().partition("gitdir:")[2].strip())
    common = own / "commondir"
    place = Path(own, common.read_text().strip()).resolve() if common.is_file() else own.resolve()
    if _is_mountable(place):
        yield _Mount(place, place)


def _named(here: Path, words: Iterable[str]) -> Iterator[Path]:
    """Yield the files and folders that a command names, and those in which it may make one."""
    for word in words:
        text = word.partition("=")[2] if word.startswith("--") else word
        if not text or "\n" in text or "\0" in text:
            continue
        path = Path(os.path.normpath(here / Path(text).expanduser())) if "/" in text or text == ".." else None
        try:
            if path is not None and (path.exists() or path.parent.is_dir()):
                yield path if path.exists() else path.parent
        except OSError:  # a name that is too long is none
            continue


def _require_mountable(path: Path) -> None:
    """Refuse what would hide the image's own files, or not be seen at all.

    Raises:
        UsageError: It would.
    """
    if not (_is_mountable(path) or _is_within(path, _LIVE)):
        raise UsageError(f"{path} can't be mounted into a container", "use a folder of your own for project and files")


def _is_mountable(path: Path) -> bool:
    """Say whether a path can stand in a container without hiding what the image has."""
    return path not in _TOO_MUCH and not _is_within(path, _OF_THE_IMAGE)


def _is_within(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(it) for it in folders)
