"""Updating a package to a newer version of its recipe: its owner's edits are kept, conflicts are named.

Copier works on a copy that holds what git has of the package, and nothing else; what it made of it is then brought
here, file by file. So what git ignores can't be touched, whatever Copier does with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataflow import git
from dataflow.errors import UsageError, display_as, display_path
from dataflow.sample.copier_environment import copier_environment
from dataflow.sample.generate import ANSWERS, NEVER, commands, copier_errors, unsafe_features
from dataflow.sample.origin import TemplateOrigin, at_address, find_origin
from dataflow.sample.scratch import Scratch
from dataflow.secret import has_credentials, learn_address, without_credentials
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
        dropped: Files that the recipe removes or renames, and that were edited: they are conflicts too, and stay.
        left: Files that the recipe changes, and that stay as they are, since git ignores them here.
        unrun: Commands of a template that is not trusted, which were left out.
    """

    folder: Path
    before: str
    after: str
    changed: tuple[str, ...]
    conflicts: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    unrun: tuple[str, ...] = ()


def update(package: Path, ref: str | None = None, *, trust: bool = False) -> Update:
    """Bring a package up to date with its recipe.

    Commands of any other template than the tool's own run only where it is trusted, and are left out else: the answers
    file that names it may be anybody's.

    Args:
        package: The package's folder.
        ref: The version; the tool's own where the package came from the same place, else the latest tag.
        trust: Run the commands of a template that is not the tool's own.

    Raises:
        UsageError: It is not a package, or not one that can be updated: without git, or with open changes.
        DataflowError: The template could not be reached.
    """
    folder = package.expanduser().resolve()
    answers = _answers(folder)
    _require_clean(folder)
    given, before = learn_address(answers["_src_path"]), answers["_commit"]
    origin = _origin(given)
    address = origin.address
    if ref is not None:
        origin = replace(origin, ref=ref)
    with Scratch(folder) as scratch:
        if address != given:  # another tool kept the address with its login
            scratch.rewrite(ANSWERS, given, address)
        display_as(scratch.copy, folder)
        with copier_errors(address), copier_environment(**scratch.git_variables(origin.git_variables)):
            trusted = trust or origin.is_own
            unrun = () if trusted else commands(origin)
            _run_copier(scratch.copy, origin, before, trusted=trusted)
            after = _answers(scratch.copy)["_commit"]
            dropped = _dropped(scratch, address, before, answers, trusted=trusted)
        conflicts = (*scratch.conflicts(), *dropped)
        changed, left = scratch.bring(but=dropped)
    return Update(folder, before, after, changed, tuple(sorted(conflicts)), dropped, left, tuple(unrun))


def _run_copier(copy: Path, origin: TemplateOrigin, before: str, *, trusted: bool) -> None:
    from copier._main import Worker  # what `copier.run_update` calls
    from copier._settings import SettingsModel
    from copier.errors import UnsafeTemplateError, UserMessageError

    class Careful(Worker):
        """Goes on where nothing but commands that are left out stands against it: those of the old version as well."""

        def _check_unsafe(self, mode: Any) -> None:
            try:
                super()._check_unsafe(mode)
            except UnsafeTemplateError as error:
                if not self.skip_tasks or unsafe_features(error) != "tasks":
                    raise

    try:
        with Careful(
            dst_path=copy,
            vcs_ref=origin.ref,
            settings=SettingsModel.from_file(),
            defaults=True,
            overwrite=True,
            quiet=True,
            exclude=NEVER,
            unsafe=trusted,
            skip_tasks=not trusted,
        ) as worker:
            worker.run_update()
    except UserMessageError as error:
        if "downgrad" not in str(error):
            raise
        shown = display_path(copy)
        if origin.ref is not None:
            raise UsageError(
                f"{shown} is at {before}, and the recipes of this Dataflow are older: that would be downgrading",
                "install the Dataflow that it was made with, or a newer one",
            ) from None
        raise UsageError(
            f"{shown} is at {before}, which is newer than the last release of {without_credentials(origin.address)}",
            "update once the next one is tagged there; or use its current state: dataflow sample update --ref HEAD",
        ) from None


def _dropped(scratch: Scratch, address: str, before: str, answers: dict[str, str], *, trusted: bool) -> tuple[str, ...]:
    """Return the files that the recipe does not have any more and that are not as it made them."""
    removed = scratch.removed()
    if not removed:
        return ()
    from copier import run_copy

    old = scratch.work / "before" / scratch.copy.name
    given = {key: value for key, value in answers.items() if not key.startswith("_")}
    run_copy(
        address,
        old,
        given,
        vcs_ref=before,
        defaults=True,
        overwrite=True,
        quiet=True,
        exclude=NEVER,
        unsafe=trusted,
        skip_tasks=True,
    )
    return tuple(name for name in removed if not scratch.is_as_in(old, name))


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
        raise UsageError("git is not installed, and an update needs it to recognize your edits", git.INSTALL_HINT)
    if git.ask(folder, "rev-parse", "--verify", "HEAD") is None:
        raise UsageError(
            f"{display_path(folder)} is not in git, so an update could not recognize your edits",
            'first: git init && git add . && git commit -m "Generated"',
        )
    if open_changes := git.ask(folder, "status", "--porcelain"):
        lines = open_changes.splitlines()
        shown = ", ".join(line[2:].strip() for line in lines[:5]) + (", …" if len(lines) > 5 else "")
        raise UsageError(
            f"the git repository has changes that are not committed: {shown}",
            "commit or stash them first, so that the update can be looked at, and undone, by itself",
        )


def _origin(address: str) -> TemplateOrigin:
    """Return the tool's own version of the template where the package came from the same place."""
    origin = at_address(address) if has_credentials(address) else TemplateOrigin(address, ref=None)
    try:
        own = find_origin()
    except UsageError:
        return origin
    if not _same(own.address, address):
        return origin
    return TemplateOrigin(address, own.based_on or own.ref, git_config=own.git_config, is_own=True)


def _same(one: str, other: str) -> bool:
    """Say whether two addresses are of one template, however they are spelled."""
    folders = [Path(it).expanduser() for it in (one, other)]
    if all(it.is_absolute() for it in folders):
        return folders[0].resolve() == folders[1].resolve()
    return len({it.removeprefix("git+").rstrip("/").removesuffix(".git") for it in (one, other)}) == 1
