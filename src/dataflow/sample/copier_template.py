"""A template read as Copier reads it, without rendering it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from copier._template import Template

    from dataflow.sample.origin import TemplateOrigin


@contextlib.contextmanager
def opened(origin: TemplateOrigin) -> Iterator[Template]:
    """Lend the template of an origin; its clone is gone afterwards."""
    from copier._template import Template  # nothing public reads a template

    template = Template(url=origin.address, ref=origin.ref)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # what it says of versions it says again when it renders
            yield template
    finally:
        template._cleanup()  # and nothing public clears up
