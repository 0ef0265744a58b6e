"""The CI services that a project can be set up for, and their files."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow import __version__, git
from dataflow.deploy.targets import PRODUCTION, branch_settings
from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.files import create_file
from dataflow.secret import without_credentials
from dataflow.workflow.parameters import placeholders

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment, Project

_TEMPLATES = Path(__file__).parent
_BRANCH = re.compile(r"[\w./-]+")
_SECRET = "secret:"  # noqa: S105 - what a secret is referred to by


@dataclass(frozen=True)
class Vendor:
    """A CI service.

    Attributes:
        name: What it is called on the command line.
        file: Where its file is, from the repository's top.
        template: What that file is made of.
    """

    name: str
    file: str
    template: str


VENDORS = {
    it.name: it
    for it in (
        Vendor("github", ".github/workflows/dataflow.yml", "github.yml.jinja"),
        Vendor("gitlab", ".gitlab-ci.yml", "gitlab.yml.jinja"),
        Vendor("jenkins", "Jenkinsfile", "Jenkinsfile.jinja"),
    )
}
"""The services, by name."""


def vendor_named(name: str) -> Vendor:
    """Return the service of a name.

    Raises:
        UsageError: There is none.
    """
    if name not in VENDORS:
        known = ", ".join(VENDORS)
        raise UsageError(f"'{name}' is not a CI service of these: {known}{did_you_mean(name, VENDORS)}")
    return VENDORS[name]


def ci_file(folder: Path, vendor: Vendor) -> Path:
    """Return where the file of a service goes.

    Args:
        folder: The folder of the project's `dataflow.yaml`.
        vendor: The service.

    Raises:
        UsageError: The folder is not a repository's top, where services look for it; or there is such a file.
    """
    top = git.ask(folder, "rev-parse", "--show-toplevel")
    if top and Path(top) != folder.resolve():
        raise UsageError(f"CI is set up at the repository's top, {display_path(Path(top))}", "begin there")
    file = folder / vendor.file
    if file.exists() or file.is_symlink():
        raise UsageError(f"{display_path(file)} exists already and was not changed")
    return file


def write_ci(file: Path, vendor: Vendor, project: Project) -> None:
    """Write the file of a service.

    Args:
        file: Where to.
        vendor: The service.
        project: The project.

    Raises:
        UsageError: The project has no production, or one on a branch whose name can't be written into such a file.
    """
    text = render_ci(vendor, project)
    file.parent.mkdir(parents=True, exist_ok=True)
    create_file(file, text)


def render_ci(vendor: Vendor, project: Project) -> str:
    """Return the text of a service's file; raises as `write_ci` does."""
    from jinja2 import Environment as Templates
    from jinja2 import FileSystemLoader, StrictUndefined

    production = project.environments.get(PRODUCTION)
    if production is None:
        raise UsageError(
            f"dataflow.yaml has no environment '{PRODUCTION}', which CI deploys to", "add one, with the branch of it"
        )
    base = production.branch or "main"
    if not _BRANCH.fullmatch(base):
        raise UsageError(f"production's branch '{base}' is not made of letters, digits, '.', '_', '-' and '/' alone")
    templates = Templates(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    templates.filters["yaml"] = _yaml
    requirement, version = _installed()
    return templates.get_template(vendor.template).render(
        base=base,
        requirement=requirement,
        version=version,
        production_secrets=_secrets(production),
        preview_secrets=_secrets(branch_settings(project)),
    )


def _secrets(environment: Environment) -> list[str]:
    """Return the names of the secrets that an environment's settings refer to."""
    texts = _texts(dataclasses.asdict(dataclasses.replace(environment, places={})))
    found = {it.name for text in texts for it in placeholders(text) if not it.escaped}
    return sorted(name.removeprefix(_SECRET) for name in found if name.startswith(_SECRET))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _installed() -> tuple[str, str]:
    """Return what `pip install` takes to have this very version, and what that is called."""
    name = "dataflow-recipes"
    try:
        installed: Distribution = distribution(name)
    except PackageNotFoundError:
        return f"{name}=={__version__}", __version__
    source = json.loads(installed.read_text("direct_url.json") or "{}")
    if "vcs_info" not in source:
        return f"{name}=={installed.version}", installed.version
    commit = source["vcs_info"]["commit_id"]
    return f"{name} @ {source['vcs_info']['vcs']}+{without_credentials(source['url'])}@{commit}", commit


def _yaml(text: str) -> str:
    """Return a text as YAML takes it for one."""
    import yaml

    return text if yaml.safe_load(f"- {text}") == [text] else json.dumps(text)
