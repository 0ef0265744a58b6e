"""What a Python project needs, locked: by the `uv.lock` or `pylock.toml` that is committed beside it.

Both are read as a `pylock.toml` (PEP 751), which says of each file where it is and what its checksum is; so whoever
makes an environment of it, today or in production, gets the same. One that is missing is made, as a `pylock.toml`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from dataflow.build.python import own_requirements
from dataflow.build.python.pylock import Lock, absolute, indexes_of, relative
from dataflow.build.uv import INDEX_HINT, run_uv
from dataflow.errors import DataflowError, UsageError, display_path, first_line
from dataflow.files import write_file
from dataflow.home import subfolder
from dataflow.report import Report, silent
from dataflow.workflow.pyproject import PyProject, normal, projects_below, required
from dataflow.workflow.yamlfile import read_text

UV_LOCK, PYLOCK = "uv.lock", "pylock.toml"

_RULES = "1"
_OF_OTHERS = frozenset({"build-backend", "cache-keys", "package", "python-downloads", "python-preference", "workspace"})
"""Settings of `[tool.uv]` that decide nothing of what is locked."""

_SHOWN = 12


def lock_of(project: PyProject, report: Report = silent, *, keep: bool = True) -> Lock | None:
    """Return the lock of a project; None when it needs nothing.

    Args:
        project: Which.
        report: Called with a line about what is made.
        keep: Whether a lock that is missing is written beside the project.

    Raises:
        UsageError: The lock is stale, the project is for another Python, or has a package from a place of its own.
        DataflowError: What it needs can't be resolved.
    """
    require_python(project.file, project.requires_python)
    if project.dependencies == ():
        return None
    _refuse_local(project)
    found = _committed(project)
    note = _note(project, found)
    if note.is_file():
        return _not_empty(Lock(project.name, display_path(found or project.file), note.read_text("utf-8")))
    if found is None:
        lock = _made(project, report, keep=keep)
        if keep and lock.packages:
            note = _note(project, project.folder / PYLOCK)
    else:
        lock = _of_uv(project, found) if found.name == UV_LOCK else _of_pylock(project, found)
    check(lock)
    if found is not None or keep or not lock.packages:
        write_file(note, lock.text)
    return _not_empty(lock)


def _not_empty(lock: Lock) -> Lock | None:
    """Return a lock; None where it names nothing, as that of a `setup.py` may, which is asked what it needs."""
    return lock if lock.packages else None


def check(lock: Lock) -> None:
    """Refuse a lock that this Dataflow can't run with.

    Raises:
        UsageError: It holds a package that Dataflow needs in another version, or is for another Python.
    """
    require_python(lock.where, tomllib.loads(lock.text).get("requires-python"))
    if found := list(own_requirements.clashes(lock.versions)):
        raise UsageError(
            f"{lock.where} clashes with Dataflow: {'; '.join(found)}",
            f"loosen what {lock.project} needs there, and lock again: {_again(lock.where)}",
        )


def renew(project: PyProject, report: Report = silent, *, upgrade: bool = False) -> Path | None:
    """Make a project's lock anew, and return its file; None when it needs nothing.

    Args:
        project: Which.
        report: Called with a line about what is made.
        upgrade: Whether to use the newest versions, rather than those of the lock where they still fit.
    """
    require_python(project.file, project.requires_python)
    if project.dependencies == ():
        return None
    _refuse_local(project)
    found = _committed(project)
    if found is None or found.name == PYLOCK:
        return project.folder / PYLOCK if _made(project, report, keep=True, upgrade=upgrade).packages else None
    lines: list[str] = []
    arguments = ["lock", "--project", str(project.folder), "--python", sys.executable]
    if run_uv([*arguments, *(["--upgrade"] if upgrade else [])], project.folder, lines.append) != 0:
        raise _unresolved(project, lines)
    check(_of_uv(project, found))
    return found


def renew_below(
    folders: Sequence[Path], report: Report = silent, *, upgrade: bool = False
) -> Iterator[tuple[Path, Path | None]]:
    """Make the locks of all projects below folders anew; yield each pyproject.toml with its lock, as `renew` does.

    Raises:
        UsageError: A folder has no Python project.
    """
    for top in folders:
        projects = projects_below(top)
        if not projects:
            raise UsageError(f"{display_path(top)} holds no Python project", "write a pyproject.toml with [project]")
        for project in projects:
            yield project.file, renew(project, report, upgrade=upgrade)


# ------------------------------------------------------------------------------------------ what is committed


def _committed(project: PyProject) -> Path | None:
    """Return the lock that lies beside a project, or beside the workspace that it is a member of."""
    for name in (UV_LOCK, PYLOCK):
        if (file := project.folder / name).is_file():
            return file
    for above in project.folder.parents:
        if (above / UV_LOCK).is_file() and "[tool.uv.workspace]" in _text(above / "pyproject.toml"):
            return above / UV_LOCK
        if (above / ".git").exists():
            break
    return None


def _of_uv(project: PyProject, file: Path) -> Lock:
    """Read a `uv.lock`, which uv compares with what the project asks for."""
    lines: list[str] = []
    at = ["--project", str(project.folder), "--python", sys.executable]
    if run_uv(["lock", "--check", *at], project.folder, lines.append) != 0:
        if any("needs to be updated" in line for line in lines):
            raise _stale(project, file)
        raise _unresolved(project, lines)
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        target = Path(folder).resolve() / PYLOCK
        asked = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--format", PYLOCK, *at]
        if run_uv([*asked, "--output-file", str(target)], project.folder, lines.append) != 0:
            raise _unresolved(project, lines)
        text = target.read_text("utf-8")
        return Lock(project.name, display_path(file), text + indexes_of(project, head="\n[tool.dataflow]\n"))


def _of_pylock(project: PyProject, file: Path) -> Lock:
    """Read a `pylock.toml`: one that we made says what for; another's has to hold what the project asks for."""
    text = absolute(read_text(file), file.parent)
    lock = Lock(project.name, display_path(file), text)
    found = lock.packages  # read now, so that it is a lock
    tool = tomllib.loads(text).get("tool", {}).get("dataflow", {})
    asked = project.dependencies
    if "for" in tool:
        if tool["for"] != _asked(project):
            raise _stale(project, file)
    elif asked is not None:
        for requirement in map(_requirement(project), asked):
            if own_requirements.applies(requirement.marker) and not _holds(
                found.get(normal(requirement.name)), requirement
            ):
                raise _stale(project, file)
    return lock


def _holds(package: Mapping[str, Any] | None, requirement: Requirement) -> bool:
    if package is None:
        return False
    return "version" not in package or requirement.specifier.contains(str(package["version"]), prereleases=True)


def _stale(project: PyProject, file: Path) -> UsageError:
    return UsageError(
        f"{display_path(file)} is stale: {display_path(project.file)} asks for something else",
        f"renew and commit it:  {_again(display_path(file))}",
    )


def _again(where: str) -> str:
    folder = str(Path(where).parent)
    return f"uv lock --project {folder}" if where.endswith(UV_LOCK) else f"dataflow project lock {folder}"


# ------------------------------------------------------------------------------------------ what is made


def _made(project: PyProject, report: Report, *, keep: bool, upgrade: bool = False) -> Lock:
    """Resolve what a project needs, for every platform; what Dataflow itself needs holds as well."""
    report(f"locking what {display_path(project.folder)} needs …")
    file = project.folder / PYLOCK
    text, printed = "", list[str]()
    everything = [
        str(it)
        for name, each in own_requirements.needed().items()
        for it in each
        if name not in (own_requirements.NAME,)
    ]
    direct = own_requirements.requirements()
    for limits in ([*direct, *_plain(everything)], direct):
        printed = []
        text = _compiled(project, file, limits, printed, upgrade=upgrade)
        if text or "No solution found" not in printed[0]:
            break
    if not text:
        raise _unresolved(project, printed)
    record = json.dumps(_asked(project))
    text = f"{text.rstrip()}\n\n[tool.dataflow]\nfor = {record}\n{indexes_of(project)}"
    lock = Lock(project.name, display_path(file), text)
    check(lock)
    if not lock.packages:
        return lock
    if keep:
        write_file(file, relative(text, project.folder))
        report(f"made {display_path(file)}: commit it, and everybody runs on the same packages")
    else:
        report(f"no lock is committed for {project.name}, so this one is for now; to keep one: dataflow project lock")
    return lock


def _compiled(project: PyProject, file: Path, limits: Sequence[str], printed: list[str], *, upgrade: bool) -> str:
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        target, constraints = Path(folder).resolve() / PYLOCK, Path(folder) / "dataflow.txt"
        constraints.write_text("".join(f"{it}\n" for it in limits), "utf-8")
        if file.is_file() and not upgrade:
            target.write_text(absolute(read_text(file), file.parent), "utf-8")
        command = ["pip", "compile", str(project.file), "--universal", "--no-header", "--no-annotate", "--quiet"]
        command += ["--format", PYLOCK, "--output-file", str(target), "--constraints", str(constraints)]
        code = run_uv([*command, "--python", sys.executable], project.folder, printed.append)
        printed.append("")
        return target.read_text("utf-8") if code == 0 else ""


def _plain(wanted: Sequence[str]) -> Iterator[str]:
    """Yield requirements as constraints may have them: without extras."""
    for text in wanted:
        requirement = Requirement(text)
        if str(requirement.specifier):
            yield f"{requirement.name}{requirement.specifier}"


def _unresolved(project: PyProject, lines: Sequence[str]) -> DataflowError:
    printed = [line.rstrip() for line in lines if line.strip() and not line.startswith(("warning:", "Using "))]
    listed = "".join(f"\n    {line}" for line in printed[-_SHOWN:])
    both = [it for it in own_requirements.requirements() if any(required(it) in line for line in printed)]
    also = f" beside what Dataflow needs ({', '.join(both)})" if both else ""
    offline = any(word in line for line in printed for word in ("fetch", "connect", "registry"))
    return DataflowError(
        f"what {display_path(project.file)} needs can't be had{also}:{listed}",
        INDEX_HINT if offline else None,
        permanent=True,
    )


def _asked(project: PyProject) -> str:
    """Return a checksum of all in a build file that decides what is locked."""
    data = project.data
    table = data.get("project", {})
    uv = data.get("tool", {}).get("uv", {})
    about: list[Any] = [
        sorted(table.get("dependencies", ())) if project.dependencies is not None else _text(project.file),
        table.get("requires-python"),
        {key: value for key, value in uv.items() if key not in _OF_OTHERS},
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


# ------------------------------------------------------------------------------------------ what is refused


def _refuse_local(project: PyProject) -> None:
    """Refuse what is needed from this checkout: no other machine has it, and it would be a stranger's there."""
    sources = dict(project.sources())
    asked = project.dependencies
    for name, where in sources.items():
        if asked is not None and name not in map(required, asked):
            continue
        raise _elsewhere(project, name, where)
    for requirement in asked or ():
        if found := re.search(r"@\s*(file:\S+|\.{0,2}/\S+)", requirement):
            raise _elsewhere(project, required(requirement), found[1])


def _elsewhere(project: PyProject, name: str, where: str) -> UsageError:
    return UsageError(
        f"{display_path(project.file)} needs {name} from {where}, which can't be locked",
        f"publish {name} to an index, and name that under [[tool.uv.index]]; or have it packed into this project",
    )


def require_python(where: Path | str, wanted: object) -> None:
    """Refuse what is for another Python than the one that Dataflow runs on.

    Raises:
        UsageError: It is, or does not say so in a range of versions.
    """
    if not wanted:
        return
    shown = where if isinstance(where, str) else display_path(where)
    try:
        fits = SpecifierSet(str(wanted)).contains(".".join(map(str, sys.version_info[:3])), prereleases=True)
    except InvalidSpecifier:
        raise UsageError(f"{shown}: '{wanted}' is not a range of Python versions", "for example '>=3.11'") from None
    if not fits:
        raise UsageError(
            f"{shown} requires Python {wanted}, and Dataflow runs on {own_requirements.python_version()} here",
            "run Dataflow on such a Python, or change what is asked for",
        )


# ------------------------------------------------------------------------------------------ how it is written


def _requirement(project: PyProject) -> Any:
    def read(text: str) -> Requirement:
        try:
            return Requirement(text)
        except InvalidRequirement as error:
            where = display_path(project.file)
            raise UsageError(f"{where}: '{text}' is not a requirement: {first_line(error)}") from None

    return read


def _note(project: PyProject, lock: Path | None) -> Path:
    """Return where it is noted that a lock fits a project, under all that this depends on."""
    about = [_RULES, own_requirements.fingerprint(), str(project.folder), _text(project.file)]
    about += [str(lock), _text(lock)] if lock is not None else []
    return subfolder("environments") / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]}.lock.toml"


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text("utf-8", "replace")
    return ""
