"""The names of assets: `dataflow.jar.scala-workflow.user.stranger-data.master.39206ee8.11`, given once, for good.

The parts are joined by dots, and each is also a folder of the registry, so neither `.` nor `/` may stand in one.
Git allows no `~` in the name of a branch, which leaves it free to spell what can't stand as it is:

| written | stands for                          |
|---------|-------------------------------------|
| `~~`    | `/`                                 |
| `~_`    | `.`                                 |
| `~20`   | any other byte of UTF-8, as two hex digits |

So `feature/a.b` is `feature~~a~_b`, and the way back is the only one there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from dataflow.errors import UsageError, did_you_mean

AssetType = Literal["wheel", "jar", "sql", "py", "r"]
"""What a job can be given to run."""

ASSET_TYPES: tuple[AssetType, ...] = get_args(AssetType)
PREFIX = "dataflow"

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_SPELLED = re.compile(r"(?P<plain>[A-Za-z0-9_-]+)|~(?P<mark>[~_])|~(?P<byte>[0-9a-f]{2})")
_MARKS = {"/": "~~", ".": "~_"}
_CLEAN = re.compile(r"[0-9a-f]{8}")


def escape(text: str) -> str:
    """Spell a text, such as the name of a branch, with letters, digits and `-_~` alone.

    Raises:
        ValueError: The text is empty.
    """
    if not text:
        raise ValueError("an empty text can't be a part of an asset id")
    return "".join(map(_spelled, text))


def unescape(part: str) -> str:
    """Return the text that `escape` made this of.

    Raises:
        ValueError: It is nothing that `escape` makes.
    """
    found = bytearray()
    position = 0
    while match := _SPELLED.match(part, position):
        position = match.end()
        if match["plain"]:
            found += match["plain"].encode()
        elif match["mark"]:
            found += b"/" if match["mark"] == "~" else b"."
        else:
            found.append(int(match["byte"], 16))
    text = found.decode("utf-8", errors="strict") if position == len(part) else ""
    if not text or escape(text) != part:
        raise ValueError(f"'{part}' is not the spelling of a name")
    return text


def _spelled(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return character
    return _MARKS.get(character) or "".join(f"~{byte:02x}" for byte in character.encode())


@dataclass(frozen=True, order=True)
class AssetId:
    """One build of an asset. The attributes hold names as they are, not as they are spelled.

    Attributes:
        type: What it is: `wheel`, `jar`, `sql`, `py` or `r`.
        namespace: The asset's name within its repository.
        owner: Whose repository.
        repo: The repository.
        branch: The branch that it was built on.
        commit: Eight hex digits; `dirty-` or `nogit-` and eight digits of its inputs where no commit holds them.
        build: Its number, consecutive within all of the above but the commit.
    """

    type: AssetType
    namespace: str
    owner: str
    repo: str
    branch: str
    commit: str
    build: int

    def __str__(self) -> str:
        parts = (self.type, self.namespace, self.owner, self.repo, self.branch, self.commit)
        return ".".join([PREFIX, *map(escape, parts), str(self.build)])

    @property
    def series(self) -> str:
        """The registry's series within which builds are numbered."""
        return series(self.type, self.namespace, self.owner, self.repo, self.branch)

    @property
    def is_clean(self) -> bool:
        """Whether a commit holds what it was built from; else only a sandbox uses it."""
        return _CLEAN.fullmatch(self.commit) is not None

    @classmethod
    def parse(cls, text: str) -> AssetId:
        """Read an id.

        Raises:
            UsageError: It is not an asset id; the message names the part that is wrong.
        """
        parts = text.split(".")
        if len(parts) != 8 or parts[0] != PREFIX:
            raise UsageError(
                f"'{text}' is not an asset id",
                "one reads dataflow.<type>.<namespace>.<owner>.<repo>.<branch>.<commit>.<build>",
            )
        type_, *names, build = parts[1:]
        if type_ not in ASSET_TYPES:
            raise UsageError(f"'{text}': '{type_}' is not a type of asset{did_you_mean(type_, ASSET_TYPES)}")
        if not re.fullmatch(r"[1-9][0-9]*", build):
            raise UsageError(f"'{text}': '{build}' is not a build number")
        try:
            namespace, owner, repo, branch, commit = map(unescape, names)
        except ValueError as error:
            raise UsageError(f"'{text}': {error}") from None
        return cls(type_, namespace, owner, repo, branch, commit, int(build))


def series(type_: AssetType, namespace: str, owner: str, repo: str, branch: str) -> str:
    """Return the registry's series of an asset's builds on a branch."""
    return "/".join(["builds", *map(escape, (type_, namespace, owner, repo, branch))])
