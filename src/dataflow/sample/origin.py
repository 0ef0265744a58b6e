"""Where the recipes come from: an address that git can reach again later, and the version to render.

A package keeps both in its answers file, so that it can be updated by whoever has it. In this order:

1. `--source-path`, when given;
2. the checkout that the tool runs from, or was installed from;
3. the repository that the tool was installed from, or that its metadata names;
4. the bundle of the repository inside the wheel, unpacked into the Dataflow home.
5. the recipes as files, a checkout's that is not in git or those inside the wheel: where there is no git, or was none
   when the wheel was built. Such a package runs like any other, and can't be updated: nothing records its version.

Where there are both 3 and a bundle, the package records the address, and git reads the bundle: it needs no
network.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dataflow import git
from dataflow.errors import UsageError
from dataflow.home import subfolder
from dataflow.secret import learn, learn_address, without_credentials

_PACKAGE = Path(__file__).parents[1]
_BUNDLE = _PACKAGE / "template.bundle"
_FILES = _PACKAGE / "template"
_TEMPLATE_PARTS = ("copier.yml", "recipes", "hooks", "src/dataflow/workflow/identity.py")
_HOW_TO_NAME_ONE = "name a clone of the repository, or its address: --source-path PATH_OR_URL"


@dataclass(frozen=True)
class TemplateOrigin:
    """A template at one version.

    Attributes:
        address: What git reaches it by; packages record it.
        ref: The commit to render; None leaves it to Copier, which takes the latest tag. `HEAD` of a checkout
            includes changes that are not committed.
        based_on: The commit to record instead, where `ref` has none that can be reached later.
        git_config: Settings that let git read the address without a network.
        note: What the user should know of this version, or None.
        is_own: Whether it is what this tool itself was installed with, or from, so that its tasks are the tool's.
    """

    address: str
    ref: str | None
    based_on: str | None = None
    git_config: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    is_own: bool = False

    @property
    def git_variables(self) -> dict[str, str]:
        """The git settings as environment variables."""
        variables = {"GIT_CONFIG_COUNT": str(len(self.git_config))} if self.git_config else {}
        for number, (key, value) in enumerate(self.git_config.items()):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables


def find_origin(source_path: str | None = None, ref: str | None = None) -> TemplateOrigin:
    """Say where the recipes come from.

    Args:
        source_path: A folder or an address that the user named.
        ref: The version of it that the user named; where a folder stands, or an address's last tag, when omitted.

    Raises:
        UsageError: There is nothing to generate from, or nothing that has versions.
    """
    if source_path is not None:
        return _named(source_path) if ref is None else _at(_named(source_path), ref)
    if ref is not None:
        raise UsageError("--ref is a version of another template", "name that one as well: --source-path PATH_OR_URL")
    return replace(_own(), is_own=True)


def _at(origin: TemplateOrigin, ref: str) -> TemplateOrigin:
    folder = Path(origin.address)
    if folder.is_dir() and git.ask(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is None:
        raise UsageError(f"{folder} has no version '{ref}'", "name a tag, a branch or a commit of that repository")
    return replace(origin, ref=ref, based_on=None, note=None)


def _own() -> TemplateOrigin:
    root = _PACKAGE.parents[1]
    if (root / "copier.yml").is_file():
        return _of_checkout(root)
    if not git.is_installed():
        return _of_files(_FILES)
    return _of_installation(_distribution(), _BUNDLE if _BUNDLE.is_file() else None)


def _named(source: str) -> TemplateOrigin:
    folder = Path(source).expanduser()
    if not folder.exists() and ":" not in source:
        raise UsageError(f"there is no template at {source}", _HOW_TO_NAME_ONE)
    if not folder.is_dir() or folder.suffix == ".git":  # an address, a bundle or a bare repository
        if not git.is_installed():
            shown = without_credentials(learn_address(source))
            raise UsageError(f"git is not installed, and only it can read {shown}", git.INSTALL_HINT)
        return TemplateOrigin(str(folder.resolve()), ref=None) if folder.exists() else at_address(source)
    if not (folder / "copier.yml").is_file():
        raise UsageError(f"{source} is not a template: it has no copier.yml", _HOW_TO_NAME_ONE)
    return _of_checkout(folder)


def at_address(source: str) -> TemplateOrigin:
    """Return the origin at an address; its credentials go to git alone, and are neither kept nor shown."""
    scheme, separator, rest = source.partition("://")
    source = f"{scheme.lower()}{separator}{rest}" if separator else source  # git knows it in lower case alone
    address = without_credentials(learn_address(source))
    if address == source:
        return TemplateOrigin(address, ref=None)
    note = "the template's address is kept without its credentials: an update asks git's credential helper for them"
    return TemplateOrigin(address, ref=None, git_config=_login(source), note=note)


def _login(source: str) -> dict[str, str]:
    """Return the git setting that logs in at an http address, as no command line may show how."""
    parts = urlsplit(source.removeprefix("git+"))
    if parts.scheme not in {"http", "https"} or parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    basic = learn(base64.b64encode(login.encode()).decode())
    place = parts.netloc.rpartition("@")[2]
    return {f"http.{parts.scheme}://{place}/.extraHeader": f"Authorization: Basic {basic}"}


def _of_checkout(root: Path) -> TemplateOrigin:
    """Render what stands in a checkout, changes that are not committed included."""
    commit = git.ask(root, "rev-parse", "HEAD") if git.is_work_tree_root(root) else None
    if commit is None:
        return _of_files(root)
    if not git.ask(root, "status", "--porcelain", "--", *_TEMPLATE_PARTS):
        return TemplateOrigin(str(root.resolve()), commit)
    return TemplateOrigin(
        str(root.resolve()),
        "HEAD",
        based_on=git.ask(root, "describe", "--tags", "--always"),
        note=f"changes in {root} that are not committed are part of this package",
    )


def _of_files(root: Path) -> TemplateOrigin:
    """Render a folder as it is, which has no version that could be recorded.

    Raises:
        UsageError: It holds no recipes.
    """
    if not (root / "copier.yml").is_file():
        raise UsageError("this installation of Dataflow came without its recipes", _HOW_TO_NAME_ONE)
    if not git.is_installed():
        why = "git is not installed"
    else:
        why = "Dataflow was not installed from a whole git repository" if root == _FILES else f"{root} is not in git"
    return TemplateOrigin(str(root.resolve()), ref=None, note=f"{why}: this package can't be updated later")


def _distribution() -> Distribution | None:
    try:
        return distribution("dataflow-recipes")
    except PackageNotFoundError:
        return None


def _of_installation(installed: Distribution | None, bundle: Path | None) -> TemplateOrigin:
    source = json.loads((installed and installed.read_text("direct_url.json")) or "{}")
    commit = _head(bundle) if bundle else None
    if "dir_info" in source:
        folder = Path(unquote(urlsplit(source["url"]).path))
        if commit and git.is_work_tree_root(folder) and git.ask(folder, "cat-file", "-e", commit) is not None:
            return TemplateOrigin(str(folder.resolve()), commit)
    address: str | None
    if "vcs_info" in source:
        address, ref = f"git+{source['url']}", source["vcs_info"]["commit_id"]
    else:
        address, ref = _repository(installed), f"v{installed.version if installed else ''}"
    if bundle is None or commit is None:
        return TemplateOrigin(address, ref) if address else _of_files(_FILES)
    if address is None:
        return TemplateOrigin(str(_unpacked(bundle, commit)), commit)
    return TemplateOrigin(address, commit, git_config={f"url.{bundle}.insteadOf": address.removeprefix("git+")})


def _repository(installed: Distribution | None) -> str | None:
    """Return the repository that the package's metadata names, if any."""
    urls = (installed.metadata.get_all("Project-URL") if installed else None) or []
    for url in urls:
        label, _, address = str(url).partition(", ")
        if label.lower() == "repository":
            return f"git+{address}"
    return None


def _head(bundle: Path) -> str | None:
    """Read a bundle's HEAD from its first lines, which are text."""
    with bundle.open("rb") as lines:
        for line in lines:
            if line.rstrip() in (b"", b"PACK"):
                return None
            if line.endswith(b" HEAD\n"):
                return line.split(b" ")[0].decode()
    return None


def _unpacked(bundle: Path, commit: str) -> Path:
    """Keep the versions of all wheels that this user ever generated from in one repository.

    Packages record its path, so a newer wheel brings newer versions to the place where an update looks.
    """
    repository = subfolder() / "template.git"
    branch = f"refs/heads/wheel-{commit[:12]}"  # keeps this version reachable when a later one is not its child
    if git.ask(repository, "rev-parse", "--verify", "--quiet", branch):
        return repository
    refs = ("HEAD:refs/heads/main", f"HEAD:{branch}", "refs/tags/*:refs/tags/*")
    made = git.ask(repository.parent, "init", "--quiet", "--bare", "--initial-branch=main", repository.name)
    if made is None or git.ask(repository, "fetch", "--quiet", "--force", str(bundle), *refs) is None:
        raise UsageError(f"can't unpack the recipes into {repository}", "is there room, and may you write there?")
    return repository
