"""A workflow of one job in Python, which the tests of environments give its script and its dependencies."""

from __future__ import annotations

from tests.support.packages import definition, spark

MAIN = definition(spark("job.py", "one"))
