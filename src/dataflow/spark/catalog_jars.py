"""The jars that an environment's catalogs need beside Iceberg's: the AWS bundle, a database's driver.

They are chosen by the properties, and stand on the class path of Spark's own loader, where Iceberg looks for them;
`spark.jars.packages` would bring them into a loader below that one, which Iceberg's classes don't see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.spark.jars import AWS, JARS, POSTGRESQL, PinnedJar

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_OWN_CATALOG = re.compile(r"spark\.sql\.catalog\.[^.]+\.(.+)")
_S3 = re.compile(r"s3[an]?://")
_AWS_KEY = re.compile(r"(s3|glue|dynamodb|client|http-client)\.")
_AWS_TYPES = {"glue", "dynamodb"}


def catalog_jars(environment: Environment) -> tuple[PinnedJar, ...]:
    """Return the jars that a session on an environment needs; one that its own class path has is left to it."""
    own = environment.spark.get("spark.driver.extraClassPath", "")
    wanted = dict.fromkeys(jar for key, value in _properties(environment) for jar in _needed(key, value))
    return (*JARS, *(jar for jar in wanted if jar.name not in own))


def on_s3(address: str) -> bool:
    """Say whether an address is of S3, or of a store that speaks like it."""
    return _S3.match(address) is not None


def _properties(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield the properties of all catalogs of an environment, those among its Spark settings included."""
    yield from environment.catalog.items()
    for key, value in environment.spark.items():
        if found := _OWN_CATALOG.fullmatch(key):
            yield found[1], value


def _needed(key: str, value: str) -> Iterator[PinnedJar]:
    if value.startswith("jdbc:postgresql:"):
        yield POSTGRESQL
    if (
        _AWS_KEY.match(key)
        or on_s3(value)
        or "org.apache.iceberg.aws." in value
        or (key == "type" and value in _AWS_TYPES)
        or (key == "rest.sigv4-enabled" and value.lower() == "true")
    ):
        yield AWS
