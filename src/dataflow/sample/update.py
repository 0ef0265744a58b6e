"""Updating a package to a newer version of its recipe: its owner's edits are kept, conflicts are named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import UsageError, display_path
from dataflow.sample import git
from dataflow.sample.generate import ANSWERS, copier_errors
from dataflow.sample.origin import Origin, find_origin
from dataflow.secret import learn_address
from dataflow.workflow.yamlfile import read_yaml


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes:
        folder: The package's folder, absolute.
        before: The version of the template that it came from.
        after: The version that it is at now.
        changed: The files that are different now, relative to the folder.
        conflicts: Those of them that need a decision.
    """

    folder: Path
    before: str
    after: str
    changed: tuple[str, ...]
    conflicts: tuple[str, ...]


def update(package: Path, *, trust: bool = False) -> Update:
    """Bring a package up to date with its recipe.

    The version is the tool's own where the package came from the same place, else the latest tag. Commands of any other
    template run only where it is trusted: the answers file that names it may be anybody's.

    Args:
        package: The package's folder.
        trust: Run the commands of a template that is not the tool's own.

    Raises:
        UsageError: It is not a package, or not one that can be updated: without git, or with open changes.
        DataflowError: The template could not be reached.
    """
    folder = package.expanduser().resolve()
    answers = _answers(folder)
    _require_clean(folder)
    address, before = learn_address(answers["_src_path"]), answers["_commit"]
    origin = _origin(address)
    with copier_errors(address), git.environment(**origin.git_variables):
        from copier import run_update

        run_update(folder, vcs_ref=origin.ref, defaults=True, overwrite=True, quiet=True, unsafe=trust or origin.is_own)
    return Update(folder, before, _answers(folder)["_commit"], _changed(folder), _conflicts(folder))


def _answers(folder: Path) -> dict[str, str]:
    """Return the answers that are words, as they are written."""
    file = folder / ANSWERS
    if not file.is_file():
        raise UsageError(f"{display_path(folder)} is not a package: it has no {ANSWERS}", "name the package's folder")
    answers = {str(route[0]): text for route, text in read_yaml(file).texts.items() if len(route) == 1 and text}
    if missing := {"_src_path", "_commit"} - answers.keys():
        raise UsageError(
            f"{display_path(file)} names no version to start from ({', '.join(sorted(missing))} missing)",
            "it came from a folder that was not in git: generate a new package and bring your changes over",
        )
    return answers


def _require_clean(folder: Path) -> None:
    if not git.is_installed():
        raise UsageError("git is not installed, and an update tells your edits apart by it", git.HOW_TO_GET)
    if git.ask(folder, "rev-parse", "--verify", "HEAD") is None:
        raise UsageError(
            f"{display_path(folder)} is not in git, so an update could not tell your edits apart",
            'first: git init && git add . && git commit -m "Generated"',
        )
    if open_changes := git.ask(folder, "status", "--porcelain"):
        lines = open_changes.splitlines()
        shown = ", ".join(line[2:].strip() for line in lines[:5]) + (", …" if len(lines) > 5 else "")
        raise UsageError(
            f"the git repository has changes that are not committed: {shown}",
            "commit or stash them first, so that the update can be looked at, and undone, by itself",
        )


def _origin(address: str) -> Origin:
    """Take the tool's own version of the template where the package came from the same place."""
    try:
        own = find_origin()
    except UsageError:
        return Origin(address, ref=None)
    if not _same(own.address, address):
        return Origin(address, ref=None)
    return Origin(address, own.based_on or own.ref, git_config=own.git_config, is_own=True)


def _same(one: str, other: str) -> bool:
    """Say whether two addresses are of one template, however they are spelled."""
    folders = [Path(it).expanduser() for it in (one, other)]
    if all(it.is_absolute() for it in folders):
        return folders[0].resolve() == folders[1].resolve()
    return len({it.removeprefix("git+").rstrip("/").removesuffix(".git") for it in (one, other)}) == 1


def _changed(folder: Path) -> tuple[str, ...]:
    listed = git.ask(folder, "status", "--porcelain", "--no-renames", "-uall", "-z", "--", ".") or ""
    prefix = git.ask(folder, "rev-parse", "--show-prefix") or ""
    names = (entry[3:] for entry in listed.split("\0") if entry)
    return tuple(sorted({name.removeprefix(prefix) for name in names}))


def _conflicts(folder: Path) -> tuple[str, ...]:
    """Name the files with conflict markers, which Copier tells git of, and the patches that did not fit."""
    unmerged = git.ask(folder, "diff", "--name-only", "--relative", "--diff-filter=U", "-z") or ""
    rejected = (path.relative_to(folder).as_posix() for path in folder.rglob("*.rej"))
    return tuple(sorted({name for name in unmerged.split("\0") if name} | set(rejected)))
