"""Spark's own parser, without a session: it decides where another parser takes a text for invalid."""

from __future__ import annotations

import atexit
import functools
import re
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway

_MESSAGE = re.compile(r"\[(?P<what>[A-Z_.]+)\] (?P<text>.*?)(?: SQLSTATE: \w+)?(?: \(line (?P<line>\d+)|\n|$)")


def spark_syntax_error(text: str) -> str | None:
    """Return the syntax error that Spark finds in a script, split as a run splits it.

    Returns:
        The error, or None when there is none, or when there is no Java to ask.
    """
    from py4j.protocol import Py4JError, Py4JJavaError

    try:
        jvm: Any = _gateway().jvm
        statements = jvm.org.apache.spark.sql.catalyst.util.StringUtils.splitSemiColonWithIndex(text, False)
        parser = jvm.org.apache.spark.sql.execution.SparkSqlParser()
        for number in range(statements.size()):
            if (statement := str(statements.apply(number))).strip():
                parser.parsePlan(statement)
    except Py4JJavaError as error:
        found = _MESSAGE.search(str(error.java_exception.getMessage()))
        return found["text"].strip() if found else "a syntax error"
    except (DataflowError, OSError, Py4JError):
        return None
    return None


@functools.cache
def _gateway() -> JavaGateway:
    """Start a Java with Spark's classes in it, which ends with this process."""
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

    jars = spark_home() / "jars"
    py4j = next(jars.glob("py4j-*.jar"))
    options = ["-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.nio=ALL-UNNAMED"]
    port, token = launch_gateway(
        jarpath=str(py4j),
        classpath=f"{jars}/*",
        javaopts=options,
        java_path=str(find_java().executable),
        die_on_exit=True,
        enable_auth=True,
    )
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token))
    atexit.register(gateway.shutdown)
    return gateway
