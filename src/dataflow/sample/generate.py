"""Generating a workflow package: rendered beside its place by Copier, and moved there when it is whole."""

from __future__ import annotations

import re
import shlex
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, display_path, first_line
from dataflow.sample.copier_environment import copier_environment
from dataflow.sample.copier_template import opened
from dataflow.sample.origin import TemplateOrigin, find_origin
from dataflow.sample.recipes import Recipe, questions, recipes
from dataflow.secret import without_credentials
from dataflow.workflow.identity import slug

if TYPE_CHECKING:
    from copier.errors import UnsafeTemplateError

ANSWERS = ".copier-answers.yml"
NEVER = ("[.][gG][iI][tT]",)
"""What no template may render, on top of what it leaves out itself: git runs commands that its own folder names."""


@dataclass(frozen=True)
class GeneratedPackage:
    """A package that was just generated.

    Attributes:
        folder: Where it is, absolute.
        answers: The answers given to Copier.
        origin: The template that it was rendered from.
    """

    folder: Path
    answers: Mapping[str, str]
    origin: TemplateOrigin

    @property
    def version(self) -> str | None:
        """The template's version that the package records, None when it can't be updated."""
        found = re.search(r"(?m)^_commit: '?([^'\n]*)'?$", (self.folder / ANSWERS).read_text(encoding="utf-8"))
        return found[1] if found else None

    @property
    def files(self) -> list[str]:
        """The package's files, relative to its folder."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and ".git" not in path.parts)
        return sorted(path.relative_to(self.folder).as_posix() for path in found)


def generate(
    recipe: str,
    target: Path,
    *,
    source_path: str | None = None,
    ref: str | None = None,
    data: Mapping[str, str] = MappingProxyType({}),
    report: Callable[[str], None] = lambda _: None,
) -> GeneratedPackage:
    """Generate a workflow package.

    Args:
        recipe: The recipe's name.
        target: Where to; a new folder or an empty one.
        source_path: A template other than the tool's own.
        ref: The version of that template; where it stands when omitted.
        data: Answers to further questions, as they are typed: what the pipeline is called is derived from the folder's
            name when omitted, and all else has a default.
        report: Called with a line about what a template that is not the tool's own will run.

    Raises:
        UsageError: An answer is not valid, or the folder has files in it.
        DataflowError: The template could not be read or rendered.
    """
    origin = find_origin(source_path, ref)
    with copier_errors(origin.address), copier_environment(**origin.git_variables):
        asked = questions(origin)
    asked.recipe(recipe)
    asked.require(data)
    folder = target.expanduser().absolute().resolve()
    _refuse_files_in(folder)
    answers = {"workflow_shortname": slug(folder.name), **data, "recipe": recipe}
    with _workshop(folder) as workshop:
        _render(origin, workshop, answers, report)
        _move(workshop, folder)
    return GeneratedPackage(folder, answers, origin)


def recipes_of(source_path: str | None, ref: str | None) -> tuple[Recipe, ...]:
    """Return the recipes of another template, or the tool's own.

    Raises:
        UsageError: There is no template.
        DataflowError: It could not be read.
    """
    if source_path is None and ref is None:
        return recipes()
    origin = find_origin(source_path, ref)
    with copier_errors(origin.address), copier_environment(**origin.git_variables):
        return questions(origin).recipes


def answers(data: Iterable[str], **options: str | None) -> dict[str, str]:
    """Return the answers that are given, as NAME=VALUE each, or by an option that is called as its question.

    Raises:
        UsageError: One is not NAME=VALUE, is given twice, or is no answer but an argument.
    """
    found = {name: value for name, value in options.items() if value}
    for text in data:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--data '{text}' is not NAME=VALUE", "for example: --data source_table=lake.views")
        if name == "recipe":
            raise UsageError("the recipe is an argument, not --data", "dataflow sample workflow RECIPE FOLDER")
        if name in found:
            raise UsageError(f"{name} is given twice", "answer it once")
        found[name] = value
    return found


def _refuse_files_in(folder: Path) -> None:
    if folder.is_file():
        raise UsageError(f"{display_path(folder)} is a file", "name a new folder")
    present = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not set(present) - {".git"}:
        return
    if ANSWERS in present:
        hint = f"it is a package already: `dataflow sample update {display_path(folder)}` brings it up to date"
    else:
        hint = "name a new folder, such as ./my-pipeline: nothing is ever written over"
    shown = ", ".join(present[:3]) + (", …" if len(present) > 3 else "")
    raise UsageError(f"{display_path(folder)} has files in it ({shown})", hint)


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """Lend a folder on the target's own file system; it is gone afterwards, whatever happens."""
    place = folder if folder.is_dir() else folder.parent
    place.mkdir(parents=True, exist_ok=True)
    workshop = place / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _render(origin: TemplateOrigin, folder: Path, answers: Mapping[str, str], report: Callable[[str], None]) -> None:
    from copier import run_copy

    with copier_errors(origin.address), copier_environment(**origin.git_variables):
        if not _is_the_tool_s(origin):
            for command in commands(origin):
                report(f"the template at {origin.address} runs: {command}")
        run_copy(
            origin.address,
            folder,
            data=dict(answers),
            vcs_ref=origin.ref,
            defaults=True,
            quiet=True,
            exclude=NEVER,
            unsafe=True,  # the tasks are the template's own; whoever names another one trusts it
        )
    if origin.based_on:
        import yaml

        file = folder / ANSWERS
        line = yaml.safe_dump({"_commit": origin.based_on}).strip()  # quoted where a commit reads as a number
        file.write_text(re.sub(r"(?m)^_commit: .*$", line, file.read_text(encoding="utf-8")), encoding="utf-8")


def _is_the_tool_s(origin: TemplateOrigin) -> bool:
    try:
        return origin.is_own or find_origin().address == origin.address
    except UsageError:  # this installation came without
        return False


def commands(origin: TemplateOrigin) -> list[str]:
    """Return the commands that a template runs after it was rendered, as it has them, and Python that it loads."""
    with opened(origin) as template:
        commands = [task.cmd for task in template.tasks]
        extensions = list(template.jinja_extensions)
    found = [command if isinstance(command, str) else shlex.join(map(str, command)) for command in commands]
    return found + [f"the Python of {it}" for it in extensions]


def unsafe_features(error: UnsafeTemplateError) -> str:
    """Return the names of what Copier refuses to run, as copier.yml has them."""
    return first_line(error).rpartition(": ")[2].rstrip(".")


def _move(workshop: Path, folder: Path) -> None:
    if not folder.exists():
        workshop.rename(folder)
        return
    # A folder that somebody may stand in keeps its place: its files come one by one, and all or none.
    moved: list[Path] = []
    try:
        for path in sorted(workshop.iterdir()):
            moved.append(folder / path.name)
            path.rename(moved[-1])
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


@contextmanager
def copier_errors(address: str) -> Iterator[None]:
    """Turn what Copier raises into one message, and keep its warnings, which we say better, to ourselves."""
    from copier.errors import CopierError, UnsafeTemplateError
    from jinja2 import TemplateError
    from plumbum.commands import ProcessExecutionError

    shown = without_credentials(address)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="copier")
        try:
            yield
        except ProcessExecutionError as error:
            lines = [line for line in str(error.stderr).splitlines() if line.startswith(("fatal", "error"))]
            raise DataflowError(
                f"git could not read the template at {shown}: {lines[0] if lines else error}",
                "is the address still right, and can it be reached from here?",
            ) from error
        except UnsafeTemplateError as error:
            what = unsafe_features(error)
            raise UsageError(
                f"the template at {shown} is not the tool's own and wants to run commands here: {what}",
                "check what its copier.yml runs; where you trust it: --trust",
            ) from error
        except TemplateError as error:  # one of them is an OSError as well
            raise DataflowError(f"the template at {shown} can't be rendered: {error}", permanent=True) from error
        except CopierError as error:
            cause = first_line(error).rstrip(".")
            raise UsageError(f"the template at {shown} can't be used: {cause}") from error
        except ValueError as error:  # an answer
            raise UsageError(str(error)) from error
