"""A definition rendered to text: what its environment and its package decide is put in, what a run decides is kept.

Put in are the environment's parameters, the built-ins that are known when it is deployed (owner, user, package,
environment), the names of assets, and every parameter that is made of these. Kept are the built-ins of a run (its
dates, `each`, its id), secrets, and parameters that a caller or `--param` may give; a plain default stays one.

The text is stable: the same definition gives the same bytes, whoever renders it, whenever and wherever.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.workflow.parameters import BUILTINS, PREFIX, REFERENCE, placeholders
from dataflow.workflow.periods import CLOCK
from dataflow.workflow.yamlfile import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from dataflow.workflow.identity import Identity
    from dataflow.workflow.project import Environment
    from dataflow.workflow.yamlfile import YamlFile, YamlPath

RUN_TIME = frozenset(f"{PREFIX}{name}" for name in ("each", "run_id", *CLOCK))
"""Built-ins that only a run knows."""

_ID = ("workflow", "id")
_FIRST = (
    "version workflow cadence trigger notifications params jobs dag id type when description function name owner table "
    "partition dates items from to last parallel empty existing write job template foreach script class args audits"
)
_ORDER = {name: number for number, name in enumerate(_FIRST.split())}
"""Keys that people read first; all others follow by the alphabet."""


@dataclass(frozen=True)
class RenderContext:
    """What is known of a definition when it is deployed.

    Attributes:
        environment: Where it is deployed to.
        identity: Whose package it is of.
        user: Who `${dataflow.user}` is.
        id_prefix: Stands before the workflow's id, such as `alice__feature_x.`, to keep deployments apart.
        given: The parameters that callers give, and so nobody else may fix.
        reference: Says what the name of an asset is rendered to.
    """

    environment: Environment
    identity: Identity
    user: str
    id_prefix: str = ""
    given: Collection[str] = ()
    reference: Callable[[str], str] = field(default=lambda name: f"${{{name}}}")

    @functools.cached_property
    def builtins(self) -> Mapping[str, str]:
        """The built-ins that are known, under their whole names."""
        known = {
            "owner": self.identity.owner,
            "user": self.user,
            "package_id": self.identity.package_id,
            "package_slug": self.identity.package_slug,
            "env": self.environment.name,
        }
        return {f"{PREFIX}{name}": value for name, value in known.items()}


class _Expander:
    """Puts what is known into texts. They are put in as written: whoever runs it fills the rest exactly once."""

    def __init__(self, known: RenderContext, texts: Mapping[str, str], workflow_id: str = "") -> None:
        self._known = known
        self._texts = texts
        self._workflow_id = workflow_id
        self._verdicts: dict[str, bool] = {}

    def is_fixed(self, name: str) -> bool:
        """Say whether nobody but the environment and the package decides about a parameter."""
        if name not in self._verdicts:
            self._verdicts[name] = False  # while looking: a cycle fixes nothing
            own = name in self._known.environment.params
            asked = [found.name for found in placeholders(self._texts[name]) if not found.escaped]
            asked = [it for it in asked if not it.startswith("secret:") and not REFERENCE.fullmatch(it)]
            known = all(map(self._is_known, asked))
            self._verdicts[name] = name not in self._known.given and known and (own or bool(asked))
        return self._verdicts[name]

    def expanded(self, text: str) -> str:
        """Return a text with what is known put in."""
        parts, position = [], 0
        for found in placeholders(text):
            parts.append(text[position : found.start])
            written = text[found.start : found.end]
            parts.append(written if found.escaped else self._value(found.name, written))
            position = found.end
        return "".join([*parts, text[position:]])

    def _is_known(self, name: str) -> bool:
        if name.startswith(PREFIX):
            return name not in RUN_TIME and name.removeprefix(PREFIX) in BUILTINS
        return name in self._texts and self.is_fixed(name)

    def _value(self, name: str, written: str) -> str:
        if REFERENCE.fullmatch(name):
            return self._known.reference(name)
        if name == f"{PREFIX}workflow_id" and self._workflow_id:
            return self._workflow_id
        if name in self._known.builtins:
            return self._known.builtins[name]
        return self.expanded(self._texts[name]) if name in self._texts and self.is_fixed(name) else written


class Rendering:
    """One definition, rendered.

    Attributes:
        id: The workflow's id, as far as it is known.
        data: The definition as plain data, what is known put in.
        fixed: The parameters that are fixed, with their values.
    """

    def __init__(self, file: YamlFile, known: RenderContext) -> None:
        """Render.

        Args:
            file: A definition without mistakes.
            known: What is known of it.
        """
        texts = {str(route[1]): text for route, text in file.texts.items() if len(route) == 2 and route[0] == "params"}
        texts |= known.environment.params
        self.id = known.id_prefix + _Expander(known, texts).expanded(file.texts[_ID])
        expander = _Expander(known, texts, self.id)
        self.fixed = {name: expander.expanded(text) for name, text in texts.items() if expander.is_fixed(name)}
        self.data = self._data(file, texts, expander)

    @property
    def text(self) -> str:
        """The definition as the text of a YAML file."""
        return dump(self.data)

    def _data(self, file: YamlFile, texts: Mapping[str, str], expander: _Expander) -> dict[str, Any]:
        def fill(route: YamlPath, text: str) -> str:
            return self.id if route == _ID else expander.expanded(text)

        data = {key: file.filled((key,), fill, set()) for key in file.data if key != "params"}
        declared = file.data.get("params") or {}
        if declared:
            data["params"] = {name: expander.expanded(texts[name]) for name in declared}
        if isinstance(data.get("dag"), list):
            data["dag"] = sorted(data["dag"])
        return data


def known_params(known: RenderContext) -> dict[str, str]:
    """Return an environment's parameters with what is known put in."""
    expander = _Expander(known, known.environment.params)
    return {name: expander.expanded(text) for name, text in known.environment.params.items()}


def given_by(file: YamlFile) -> dict[str, set[str]]:
    """Return the parameters that a definition gives to others, by the path that it calls each by."""
    found: dict[str, set[str]] = {}
    for route in file.values:
        if route[-1:] == ("subworkflow",):
            called = file.texts.get((*route, "file"))
            names = {str(inner[-1]) for inner in file.values if inner[:-1] == (*route, "params")}
            if called is not None:
                found.setdefault(called, set()).update(names)
    return found


def dump(data: Any) -> str:
    """Write plain data as YAML that reads back as the same data, the same each time."""
    import yaml

    return yaml.dump(_ordered(data), Dumper=_dumper(), sort_keys=False, width=2**20, allow_unicode=True)


def _ordered(data: Any) -> Any:
    """Sort the keys of mappings, whose order means nothing."""
    if isinstance(data, dict):
        keys = sorted(data, key=lambda key: (_ORDER.get(key, len(_ORDER)), key))
        return {key: _ordered(data[key]) for key in keys}
    return [_ordered(item) for item in data] if isinstance(data, list) else data


@functools.cache
def _dumper() -> Any:
    """Return what writes YAML, by libyaml where it is there; texts that would read as something else are quoted."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the same value twice stands there twice
            return True

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None if isinstance(plain(value), str) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper
