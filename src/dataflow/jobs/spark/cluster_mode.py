"""A jar's `main` whose driver runs on the cluster: `spark.submit.deployMode: cluster` of an environment.

The driver starts on another machine, as whoever runs the worker there. What it reads by path has to be there under the
same path: the jars, its own one among them, and the folder of the Dataflow home to which it writes what was refused and
what it read. A run that is killed leaves its driver running; what that writes is on a branch that nobody publishes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from dataflow.errors import UsageError
from dataflow.process import capture
from dataflow.spark.config import DEPLOY_MODE, settings
from dataflow.spark.launch_env import SparkLaunch
from dataflow.workflow.project import Environment

OPTIONS = ("--deploy-mode", "cluster", "--conf", "spark.standalone.submit.waitAppCompletion=true")
"""For `spark-submit`: that it waits to the end is the default of the other cluster managers."""

_DRIVER = re.compile(r"\bdriver-\d{14}-\d{4,}\b")
_STATE = re.compile(r"\bdriver-\d{14}-\d{4,} is ([A-Z]+)\b")
_KILL_TIMEOUT = 60.0


def is_asked_for(environment: Environment) -> bool:
    """Say whether drivers of an environment's programs run on its cluster."""
    return environment.spark.get(DEPLOY_MODE) == "cluster"


def require_no_secrets(environment: Environment) -> None:
    """Refuse secrets among the settings where Spark puts them on the driver's command line: its own cluster manager.

    Raises:
        UsageError: A setting holds one.
    """
    if not environment.spark.get("spark.master", "").startswith("spark://"):
        return
    for key, value in settings(environment).items():
        if "${secret:" in value:
            raise UsageError(
                f"{key} holds a secret, and cluster mode of spark:// puts it on a command line",
                f"leave {DEPLOY_MODE} at client, or let the worker's own login or environment have it",
            )


class ClusterDriver:
    """The driver that `spark-submit` starts on a cluster, and what it says of it."""

    def __init__(self, launch: SparkLaunch, output: Callable[[str], None]) -> None:
        """Prepare; nothing is started.

        Args:
            launch: How programs start a Spark.
            output: Receives each line that `spark-submit` prints.
        """
        self._launch = launch
        self._output = output
        self.id: str | None = None
        """Its id with Spark's own cluster manager, once it is known."""
        self.state: str | None = None
        """What that said last of it, such as `FINISHED`."""

    def __call__(self, line: str) -> None:
        """Take a line that `spark-submit` prints."""
        if self.id is None and (found := _DRIVER.search(line)):
            self.id = found[0]
        if found := _STATE.search(line):
            self.state = found[1]
        self._output(line)

    @contextmanager
    def ended(self, variables: Mapping[str, str], is_cancelled: Callable[[], bool]) -> Iterator[None]:
        """End the driver with the block, where that was cancelled or interrupted: `spark-submit` leaves it running."""
        over = False
        try:
            yield
            over = not is_cancelled()
        finally:
            if not over and self.id is not None and self._launch.master.startswith("spark://"):
                self._kill(self.id, variables)

    def has_failed(self, code: int) -> bool:
        """Say whether it failed: with Spark's own cluster manager, `spark-submit` ends well however the driver did."""
        return code != 0 or (self._launch.master.startswith("spark://") and self.state != "FINISHED")

    def where(self) -> str:
        """Say where its output is."""
        return f"its output is in the worker's folder of {self.id}" if self.id else "see the cluster's own logs"

    def _kill(self, driver: str, variables: Mapping[str, str]) -> None:
        program = self._launch.spark_home / "bin" / "spark-class"
        command = [str(program), "org.apache.spark.deploy.Client", "kill", self._launch.master, driver]
        capture(command, env=variables, timeout=_KILL_TIMEOUT)
