"""How people's Python is loaded, without a Spark."""

from __future__ import annotations

import contextvars
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.jobs.spark.modules import script_module


def package(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder / "write.py"


def result_of(script, *arguments):
    with script_module(script) as module:
        return module.main(*arguments)


def in_threads(*calls):
    """Run calls side by side, as jobs do: each in a thread with a context of its own."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [it.result(30) for it in [pool.submit(contextvars.Context().run, call) for call in calls]]


def test_each_folder_has_its_own_helpers_of_a_name(tmp_path):
    write = "import helpers\n\ndef main():\n    return helpers.NAME\n"
    scripts = [package(tmp_path / name, write=write, helpers=f"NAME = {name!r}\n") for name in "ab"]
    assert [result_of(it) for it in scripts] == ["a", "b"]


def test_scripts_side_by_side_have_each_their_own_helpers_also_where_a_function_imports_them(tmp_path):
    write = "def main(met):\n    met.wait(10)\n    import helpers\n    met.wait(10)\n    return helpers.NAME\n"
    scripts = [package(tmp_path / name, write=write, helpers=f"NAME = {name!r}\n") for name in "ab"]
    met = threading.Barrier(2)
    assert in_threads(*[lambda it=it: result_of(it, met) for it in scripts]) == ["a", "b"]


def test_each_attempt_begins_with_fresh_modules_that_read_the_files_as_they_are(tmp_path):
    write = "import helpers\n\ndef main():\n    helpers.SEEN.append(1)\n    return helpers.ROUND, len(helpers.SEEN)\n"
    script = package(tmp_path / "a", write=write, helpers="ROUND = 1\nSEEN = []\n")
    first = result_of(script), result_of(script)
    (tmp_path / "a" / "helpers.py").write_text("ROUND = 2\nSEEN = []\n")
    assert (*first, result_of(script)) == ((1, 1), (1, 1), (2, 1))
    assert sorted(it.name for it in (tmp_path / "a").iterdir()) == ["helpers.py", "write.py"]


def test_nothing_of_an_attempt_stays_in_the_process(tmp_path):
    text = (
        "import os, sys, logging, helpers\n\n"
        "def main():\n"
        "    os.environ['LEFT'] = 'x'\n    os.environ.pop('WAS')\n    os.chdir('/')\n"
        "    sys.path.insert(0, '/nowhere')\n"
        "    sys.argv.append('more')\n    logging.getLogger().addHandler(logging.NullHandler())\n"
    )
    import logging

    os.environ["WAS"] = "here"
    try:
        before = set(sys.modules), Path.cwd(), list(sys.path), list(sys.argv), list(logging.getLogger().handlers)
        result_of(package(tmp_path / "a", write=text, helpers=""))
        after = set(sys.modules), Path.cwd(), list(sys.path), list(sys.argv), list(logging.getLogger().handlers)
        assert after[1:] == before[1:]
        assert [it for it in after[0] - before[0] if "script" in it or "helpers" in it] == []
        assert ("LEFT" in os.environ, os.environ["WAS"]) == (False, "here")
    finally:
        del os.environ["WAS"]


def test_a_variable_is_put_back_when_the_last_job_that_set_it_has_ended(tmp_path):
    text = "import os\n\ndef main(name, begun, go):\n    os.environ[name] = '1'\n    begun.wait(10)\n    go.wait(10)\n"
    script = package(tmp_path / "a", write=text)
    begun, quick, slow, seen = threading.Barrier(3), threading.Event(), threading.Event(), {}

    def watch():
        begun.wait(10)
        quick.set()
        deadline = threading.Event()
        for _ in range(200):
            if "LEFT_BY_QUICK" not in os.environ:
                break
            deadline.wait(0.05)
        seen.update({name: name in os.environ for name in ("LEFT_BY_QUICK", "LEFT_BY_SLOW")})
        slow.set()

    in_threads(
        lambda: result_of(script, "LEFT_BY_QUICK", begun, quick),
        lambda: result_of(script, "LEFT_BY_SLOW", begun, slow),
        watch,
    )
    assert seen == {"LEFT_BY_QUICK": False, "LEFT_BY_SLOW": True}
    assert "LEFT_BY_SLOW" not in os.environ


def test_jobs_side_by_side_that_set_a_variable_to_different_things_have_each_their_own(tmp_path):
    text = "import os, time\n\ndef main(value):\n    os.environ['DAY'] = value\n    time.sleep(0.2)\n"
    script = package(tmp_path / "a", write=text + "    return os.environ['DAY']\n")
    days = ["1", "2", "3", "3"]
    assert in_threads(*(lambda day=day: result_of(script, day) for day in days)) == days
    assert "DAY" not in os.environ


def test_jobs_side_by_side_have_each_their_own_directory(tmp_path):
    text = "import os, time\n\ndef main(folder, moves):\n    if moves:\n        os.chdir(folder)\n    time.sleep(0.2)\n"
    script = package(tmp_path / "a", write=text + "    return os.path.basename(os.getcwd())\n")
    folders = [tmp_path / name for name in ("north", "south", "west")]
    for folder in folders:
        folder.mkdir()
    before = Path.cwd()
    calls = [lambda it=it: result_of(script, it, True) for it in folders]
    assert in_threads(*calls, lambda: result_of(script, None, False)) == ["north", "south", "west", before.name]
    assert Path.cwd() == before


def test_jobs_that_each_wait_for_the_other_s_variable_go_on(tmp_path):
    text = "import os, time\n\ndef main(one, two, value):\n    os.environ[one] = value\n    time.sleep(0.2)\n"
    script = package(tmp_path / "a", write=text + "    os.environ[two] = value\n    return value\n")
    assert in_threads(lambda: result_of(script, "A", "B", "1"), lambda: result_of(script, "B", "A", "2")) == ["1", "2"]
    assert not {"A", "B"} & os.environ.keys()


def test_a_thread_that_a_script_leaves_behind_changes_nothing_for_others(tmp_path):
    text = (
        "import os, threading\n\n"
        "def main(go, seen, context):\n"
        "    def late():\n        go.wait(10)\n"
        "        for change in (lambda: os.environ.update(LATE='1'), lambda: os.chdir('/')):\n"
        "            try:\n                change()\n"
        "            except RuntimeError as error:\n                seen.append(str(error))\n"
        "    thread = threading.Thread(target=context().run, args=(late,))\n    thread.start()\n    return thread\n"
    )
    go, seen, before = threading.Event(), [], Path.cwd()
    thread = result_of(package(tmp_path / "a", write=text), go, seen, contextvars.copy_context)
    go.set()
    thread.join(120)
    assert ("LATE" in os.environ, Path.cwd()) == (False, before)
    assert seen == ["the job of this thread has ended, so the thread can't change the process"] * 2


def test_a_process_that_a_script_forks_may_change_its_own_directory_while_others_run(tmp_path):
    text = (
        "import multiprocessing as mp, os, threading\n\n"
        "def there(folder):\n    os.chdir(folder)\n    return os.getcwd()\n\n"
        "def main(folder, other):\n"
        "    other.wait(120)\n"
        "    with mp.get_context('fork').Pool(1) as pool:\n        return pool.map(there, [folder])\n"
    )
    waits = package(tmp_path / "b", write="def main(other, over):\n    other.set()\n    return over.wait(20)\n")
    script, other, over = package(tmp_path / "a", write=text), threading.Event(), threading.Event()

    def forks():
        found = result_of(script, "/", other)
        over.set()
        return found

    assert in_threads(forks, lambda: result_of(waits, other, over)) == [["/"], True]


def test_what_a_script_adds_to_the_path_is_its_own(tmp_path):
    write = "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/lib')\nimport util\n\ndef main(met):\n"
    write += "    met.wait(10)\n    return util.NAME\n"
    scripts = [package(tmp_path / name, write=write) for name in "ab"]
    for script in scripts:
        (script.parent / "lib").mkdir()
        (script.parent / "lib" / "util.py").write_text(f"NAME = {script.parent.name!r}\n")
    met = threading.Barrier(2)
    assert in_threads(*[lambda it=it: result_of(it, met) for it in scripts]) == ["a", "b"]


@pytest.mark.parametrize(
    "imports",
    [
        "import lib.util\nfound = lib.util.name()",
        "import lib.util as u\nfound = u.name()",
        "from lib import util\nfound = util.name()",
        "from lib.util import name\nfound = name()",
        "import importlib\nfound = importlib.import_module('lib.util').name()",
        "from lib import *\nfound = name()",
        "import pkgutil\nfound = pkgutil.resolve_name('lib.util:name')()",
    ],
)
def test_packages_beside_a_script_can_be_imported_in_each_way(tmp_path, imports):
    script = package(tmp_path / "a", write=f"{imports}\n\ndef main():\n    return found\n")
    (tmp_path / "a" / "lib").mkdir()
    (tmp_path / "a" / "lib" / "__init__.py").write_text("from .util import name\n__all__ = ['name']\n")
    (tmp_path / "a" / "lib" / "util.py").write_text("from . import other\n\ndef name():\n    return other.NAME\n")
    (tmp_path / "a" / "lib" / "other.py").write_text("NAME = 'found'\n")
    assert result_of(script) == "found"


def test_data_classes_and_pickled_objects_find_their_module(tmp_path):
    helpers = (
        "from __future__ import annotations\nimport dataclasses\nimport typing\n\n@dataclasses.dataclass\nclass Row:\n"
    )
    helpers += "    day: str\n    seen: typing.ClassVar[int] = 0\n"
    write = "import pickle\nfrom helpers import Row\n\ndef main(kept=None):\n"
    write += "    return pickle.loads(kept) == Row('d') if kept else pickle.dumps(Row('d'))\n"
    script = package(tmp_path / "a", write=write, helpers=helpers)
    kept = result_of(script)
    assert result_of(script, kept) is True
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(kept)  # noqa: S301  # our own


def test_an_own_file_goes_before_a_library_s_and_the_library_keeps_its_own(tmp_path):
    script = package(
        tmp_path / "a", write="import calendar\n\ndef main():\n    return calendar.MINE\n", calendar="MINE = 1\n"
    )
    import calendar

    assert result_of(script) == 1
    assert sys.modules["calendar"] is calendar


@pytest.mark.parametrize("head", ["# -*- coding: latin-1 -*-\n", "\ufeff"])
def test_a_script_in_the_encoding_that_it_names_is_read_in_it(tmp_path, head):
    script = package(tmp_path / "a")
    encoding = "latin-1" if "latin" in head else "utf-8"
    script.write_bytes(f"{head}NAME = 'é'\n\ndef main():\n    return NAME\n".encode(encoding))
    assert result_of(script) == "é"


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_that_a_script_spawns_know_its_functions_and_those_of_its_helpers(tmp_path, method):
    write = (
        "import multiprocessing as mp\nfrom concurrent.futures import ProcessPoolExecutor\nimport helpers\n\n"
        "def square(x):\n    return helpers.Boxed(helpers.times(x, x))\n\n"
        "def main(method):\n"
        "    with ProcessPoolExecutor(2, mp_context=mp.get_context(method)) as pool:\n"
        "        found = [it.value for it in pool.map(square, [1, 2, 3])]\n"
        "        return found, pool.submit(helpers.times, 2, 4).result()\n"
    )
    helpers = "class Boxed:\n    def __init__(self, value):\n        self.value = value\n\n"
    helpers += "def times(a, b):\n    return a * b\n"
    assert result_of(package(tmp_path / "a", write=write, helpers=helpers), method) == ([1, 4, 9], 8)


def test_what_a_spawned_process_raises_is_raised_in_the_script(tmp_path):
    write = (
        "import multiprocessing as mp\n\nclass Refused(Exception):\n    pass\n\ndef fail(x):\n    raise Refused(x)\n\n"
        "def main():\n    with mp.get_context('spawn').Pool(1) as pool:\n"
        "        try:\n            pool.map(fail, ['no'])\n"
        "        except Refused as error:\n            return str(error)\n"
    )
    assert result_of(package(tmp_path / "a", write=write)) == "no"


def test_a_folder_of_modules_needs_no_init_and_hides_no_library_of_its_name(tmp_path):
    write = "import json, shared.util\n\ndef main():\n    return json.dumps([shared.util.NAME])\n"
    script = package(tmp_path / "a", write=write)
    for name in ("shared", "json"):
        (script.parent / name).mkdir()
    (script.parent / "shared" / "util.py").write_text("NAME = 'found'\n")
    assert result_of(script) == '["found"]'


def test_modules_that_import_each_other_are_loaded_once(tmp_path):
    write = "import one\nimport two\n\ndef main():\n    return one.two is two and two.one is one\n"
    assert result_of(package(tmp_path / "a", write=write, one="import two\n", two="import one\n")) is True


def test_a_class_pickled_by_plain_python_is_found_beside_the_script(tmp_path):
    write = "import pickle\nfrom helpers_of_old import Row\n\ndef main(kept):\n"
    write += "    return isinstance(pickle.loads(kept), Row)\n"
    script = package(tmp_path / "a", write=write, helpers_of_old="class Row:\n    pass\n")
    kept = b"chelpers_of_old\nRow\n)\x81."
    assert result_of(script, kept) is True
    assert "helpers_of_old" not in sys.modules
