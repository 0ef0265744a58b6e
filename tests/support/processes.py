"""Several processes that do the same at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys

AT_ONCE = """\
import json, multiprocessing, os, sys
{script}
arguments = json.loads(sys.argv[1])
forking = multiprocessing.get_context("fork")  # imported once rather than by each
barrier = forking.Barrier(len(arguments))

def run(number, argument):
    def ready():
        barrier.wait(60)
    work(ready, lambda answer: os.write(1, (json.dumps([number, answer]) + "\\n").encode()), *argument)

started = [forking.Process(target=run, args=it) for it in enumerate(arguments)]
for it in started:
    it.start()
for it in started:
    it.join()
sys.exit(any(it.exitcode for it in started))
"""


def at_once(script: str, arguments: list[list[object]]) -> list[list[object]]:
    """Run `work(ready, tell, *arguments)` of a script in as many processes at once; return what each told."""
    command = [sys.executable, "-c", AT_ONCE.format(script=script), json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [[answer for number, answer in told if number == i] for i in range(len(arguments))]
