"""The modules of user code: each attempt has its own script and its own helpers, in one process with others.

`import` and `sys` are an attempt's own, by the `__builtins__` of its modules, whichever thread runs them. What lies in
the script's folder, or in its Python project, is loaded below a package that has no other attempt's name, and forgotten
when the attempt ends.
"""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import functools
import importlib
import importlib.util
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from dataflow.jobs.spark.process_state import restored_process_state
from dataflow.spark.errors import PRIVATE_PREFIX
from dataflow.workflow.pyproject import code_roots

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPAWNED = "dataflow.jobs.spark.spawned_process"
_PLAIN = (FunctionType, type, ModuleType, str, bytes, int, float, complex, type(None))

_spaces: dict[str, ModuleSpace] = {}
_space: contextvars.ContextVar[ModuleSpace | None] = contextvars.ContextVar("job_modules", default=None)
_trying = threading.local()
_wrapping = threading.Lock()


@contextlib.contextmanager
def script_module(script: Path) -> Iterator[ModuleType]:
    """Lend a script as a fresh module, and remove it, its helpers and its changes of the process afterwards.

    Raises:
        BaseException: What the script raises while it is loaded.
    """
    space = ModuleSpace(script)
    with restored_process_state(), space.opened():
        module = importlib.import_module(space.main)
        space.pickle_by_value()
        yield module


class ModuleSpace:
    """The modules of one attempt.

    Attributes:
        name: The package that they are in.
        script: The script.
        main: Its module's name.
        sys: The `sys` of its modules, with a `path` of their own.
        aliases: Other names of the package, or of its modules, that pickled objects use.
    """

    def __init__(self, script: Path, name: str | None = None, path: Sequence[str] | None = None) -> None:
        stem = script.stem
        self.name = name or f"{PRIVATE_PREFIX}{os.urandom(16).hex()}"
        self.script = script.absolute()
        self.main = f"{self.name}.{stem if stem.isidentifier() else '_' + re.sub(r'[^0-9A-Za-z]', '_', stem)}"
        self._folder = str(script.resolve().parent)
        roots = [str(it) for it in code_roots(script) if str(it) != self._folder]
        self._others = frozenset(sys.path) - {self._folder, *roots}
        self.sys = _Sys([self._folder, *roots, *sys.path] if path is None else [*path])
        self.builtins: Mapping[str, Any] = {**vars(builtins), "__import__": self._import, "__dataflow__": self}
        self.aliases: set[str] = set()
        self._foreign: set[str] = set()

    def open(self) -> None:
        """Make the modules importable."""
        _wrap_imports()
        package = ModuleType(self.name)
        package.__path__ = [self._folder]
        _spaces[self.name], sys.modules[self.name] = self, package

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Make the modules importable, and forget them afterwards."""
        self.open()
        held = _space.set(self)
        self.pickle_by_value()
        try:
            yield
        finally:
            _space.reset(held)
            for each in _cloudpickles():
                with contextlib.suppress(ValueError):  # loaded since
                    each.unregister_pickle_by_value(sys.modules[self.name])
            del _spaces[self.name]
            gone = {self.name, *self.aliases}
            for name in [name for name in sys.modules.copy() if name.partition(".")[0] in gone]:
                sys.modules.pop(name, None)

    def pickle_by_value(self) -> None:
        """Pickle functions and classes by value, as Spark's workers can't import them."""
        for each in _cloudpickles():
            each.register_pickle_by_value(sys.modules[self.name])

    def path(self) -> list[str]:
        """Return the folders of its own modules: the script's, its project's, and what its code added to `sys.path`."""
        added = [it for it in self.sys.path if it not in self._others and it != self._folder]
        return [self._folder, *added]

    def has(self, name: str) -> bool:
        """Return whether a module is the attempt's own, by the first part of its name."""
        if f"{self.name}.{name}" in sys.modules:
            return True
        if name in self._foreign or BuiltinImporter.find_spec(name) or FrozenImporter.find_spec(name):
            return False
        spec = PathFinder.find_spec(name, self.path())
        if spec is None or (spec.origin is None and _elsewhere(name)):  # a folder without code does not count
            if name in sys.modules:
                self._foreign.add(name)
            return False
        return True

    def private(self, name: str) -> str:
        """Return the private name of a module of the attempt's own; any other name is returned as it is."""
        return f"{self.name}.{name}" if name and self.has(name.partition(".")[0]) else name

    def spec(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Find one of the attempt's modules by its private name."""
        if name == self.main:
            return importlib.util.spec_from_file_location(
                name, self.script, loader=_SourceLoader(name, str(self.script))
            )
        found = PathFinder.find_spec(name, self.path() if name.count(".") == 1 else path)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _SourceLoader(name, found.loader.path)
        return found

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002  # as Python calls it
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if name == "sys" and level == 0:
            return self.sys
        private = self.private(name) if level == 0 else name
        if private != name and isinstance(fromlist, list):  # C code, such as pickle's: it asks `sys.modules` next
            return self._aliased(name, private)
        found = builtins.__import__(private, globals, locals, fromlist or (), level)
        if private == name or fromlist:
            return found
        return sys.modules[f"{self.name}.{name.partition('.')[0]}"]

    def _aliased(self, name: str, private: str) -> ModuleType:
        top = name.partition(".")[0]
        if name in sys.modules and not any(top in it.aliases for it in list(_spaces.values())):
            return sys.modules[name]
        module = importlib.import_module(private)
        self.aliases.add(top)
        sys.modules[name] = module
        return module


class _Sys(ModuleType):
    """`sys` with a `path` of its own."""

    def __init__(self, path: list[str]) -> None:
        super().__init__("sys")
        for name in ("__doc__", "__loader__", "__spec__", "__package__"):
            vars(self).pop(name, None)
        vars(self)["path"] = path

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "path":
            vars(self)["path"] = value
        else:
            setattr(sys, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(sys, name)

    def __dir__(self) -> list[str]:
        return dir(sys)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return importlib.import_module, ("sys",)


class _Module(ModuleType):
    """A module that reaches Spark's workers with what it holds, apart from what can't be sent."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        from pyspark.cloudpickle.cloudpickle import dynamic_subimport

        left = ("__builtins__", "__loader__", "__spec__", "__cached__")
        state = {name: it for name, it in vars(self).items() if name not in left and _can_be_sent(it)}
        return dynamic_subimport, (self.__name__, {}), state  # the state comes after: modules import each other


def _can_be_sent(value: object) -> bool:
    """Return whether a value can be pickled; a session, a lock or a pool of a helper module can't, and needn't."""
    if isinstance(value, _PLAIN) or getattr(_trying, "now", False):
        return True
    from pyspark.cloudpickle import cloudpickle

    _trying.now = True
    try:
        cloudpickle.dumps(value)  # type: ignore[no-untyped-call]
    except Exception:
        return False
    finally:
        _trying.now = False
    return True


class _SourceLoader(SourceFileLoader):
    """Loads a source file as it is now, with the attempt's own `import`; leaves nothing beside it."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Module(spec.name)
        vars(module)["__builtins__"] = _spaces[spec.name.partition(".")[0]].builtins
        return module

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # as importlib calls it
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


class _Alias:
    """Loads a module under another name too: pickled objects name it as it was called where they were pickled."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        vars(module).update(vars(importlib.import_module(self._name)))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete."""


class _Finder:
    """Finds the modules of attempts by their private names; those of ended attempts among this attempt's."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, _: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith(PRIVATE_PREFIX):
            return None
        top, _dot, rest = name.partition(".")
        if (space := _spaces.get(top)) is not None:
            return space.spec(name, path)
        return _alias(name, rest)


class _LastFinder:
    """Finds them by their plain names for a library that a job's code calls, where no other module has the name."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        space = _space.get()
        top = name.partition(".")[0]
        return (
            _alias(name, name) if space is not None and not name.startswith(PRIVATE_PREFIX) and space.has(top) else None
        )


def _alias(name: str, own: str) -> ModuleSpec | None:
    if (space := _space.get()) is None:
        return None
    private = f"{space.name}.{own}" if own else space.name
    space.aliases.add(name.partition(".")[0])
    return importlib.util.spec_from_loader(name, _Alias(private))  # type: ignore[arg-type]  # all that is asked for


def current_space() -> ModuleSpace | None:
    """Return the modules of the attempt whose code runs here; in an unknown thread, of the only attempt."""
    if (space := _space.get()) is not None:
        return space
    return next(iter(_spaces.values())) if len(_spaces) == 1 else None


def _elsewhere(name: str) -> bool:
    """Return whether a module outside of all attempts has code."""
    others = (it for it in sys.meta_path if it not in (_Finder, _LastFinder))
    return any(spec is not None and spec.origin is not None for spec in (it.find_spec(name, None) for it in others))


def _cloudpickles() -> list[Any]:
    """Return each copy of cloudpickle that is loaded: PySpark has its own, and so have others."""
    found = [it for name, it in sys.modules.copy().items() if name.endswith("cloudpickle.cloudpickle")]
    return [it for it in found if hasattr(it, "register_pickle_by_value")]


# ------------------------------------------------------------------------------ patches of Python, made once


def _wrap_imports() -> None:
    """Patch Python to find attempts' modules, also by `importlib` and in processes that they spawn."""
    from multiprocessing import spawn

    with _wrapping:
        if _Finder in sys.meta_path:
            return
        sys.meta_path.insert(0, _Finder)
        sys.meta_path.append(_LastFinder)
        importlib.import_module = _by_name(importlib.import_module)
        spawn.get_preparation_data = _prepared(spawn.get_preparation_data)  # type: ignore[assignment]


def _by_name(original: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
    @functools.wraps(original)
    def import_module(name: str, package: str | None = None) -> ModuleType:
        space = sys._getframe(1).f_builtins.get("__dataflow__")
        if space is None and name.partition(".")[0] not in sys.modules:  # a library, for the code that called it
            space = _space.get()
        if space is not None and not name.startswith((".", PRIVATE_PREFIX)):
            return space.sys if name == "sys" else original(space.private(name), package)
        return original(name, package)

    return import_module


def _prepared(original: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Give a spawned process the attempt's modules in place of this command's own."""

    @functools.wraps(original)
    def get_preparation_data(name: str) -> dict[str, Any]:
        data, space = original(name), current_space()
        if space is not None:
            data.pop("init_main_from_path", None)
            data["init_main_from_name"] = _SPAWNED
            space_json = json.dumps({"name": space.name, "script": str(space.script), "path": space.sys.path})
            data["sys_argv"] = [*data["sys_argv"][:1], space_json, *data["sys_argv"][1:]]  # runpy sets the first
        return data

    return get_preparation_data


def open_parent_space(space_json: str) -> None:
    """Open the modules of the attempt that spawned this process."""
    found = json.loads(space_json)
    space = ModuleSpace(Path(found["script"]), found["name"], found["path"])
    space.open()
    _space.set(space)
