"""The tox plugin: gives a package's `tox.ini` the Python that has Dataflow, and with it the Spark of production.

tox makes its environments from the bare interpreter, where there is neither; downloading both once more for each
package would take minutes and could bring other versions.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tox.plugin import impl

if TYPE_CHECKING:
    from tox.config.cli.parser import ToxParser


@impl
def tox_add_option(parser: ToxParser) -> None:
    """Set `DATAFLOW_PYTHON` before tox reads its configuration, unless the user chose another one."""
    del parser
    os.environ.setdefault("DATAFLOW_PYTHON", sys.executable)
