"""A real REST catalog: the server of Iceberg's own tests, on this machine and listening to it alone.

`org.apache.iceberg.rest.RESTCatalogServer` itself listens on all interfaces, so its parts are put together here, in a
JVM of their own. With it tables are on S3, and it gives its clients the login to them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from dataflow.errors import DataflowError
from dataflow.spark import jars
from dataflow.spark.jars import AWS, SQLITE, PinnedJar
from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home

_PINS = Path(__file__).with_suffix(".txt")
"""Group, name, version, size, checksum and classifier of each jar."""


def _pinned(line: str) -> PinnedJar:
    group, name, version, size, sha256, *classifier = line.split()
    return PinnedJar(group, name, version, int(size), sha256, "Iceberg's REST server", *classifier)


JARS = (*map(_pinned, _PINS.read_text("utf-8").splitlines()), SQLITE, AWS)


def server_jars() -> list[Path] | None:
    """Return the server's jars, fetched once; None where they can't be had."""
    try:
        return jars.ensure(find_java(), {}, wanted=JARS)
    except DataflowError:
        return None


class RestCatalog:
    """A running server, for a catalog whose tables are at an address.

    Attributes:
        uri: Its address.
    """

    def __init__(self, folder: Path, warehouse: str, **properties: str) -> None:
        """Start it.

        Args:
            folder: Where its own database and log are.
            warehouse: Where tables are.
            properties: Iceberg's properties by which it reaches them; the login among them it gives to clients.
        """
        from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

        found = server_jars()
        if found is None:
            raise AssertionError("the server's jars can't be had")
        bundled = spark_home() / "jars"
        self._log = (folder / "rest.log").open("w")
        port, self._process = launch_gateway(
            classpath=":".join([*map(str, found), f"{bundled}/*"]),
            jarpath=str(next(bundled.glob("py4j-*.jar"))),
            javaopts=["-Xmx256m"],
            die_on_exit=True,
            java_path=str(find_java().executable),
            redirect_stdout=self._log,
            redirect_stderr=self._log,
            return_proc=True,
        )
        self._gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auto_convert=True))
        backend = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:sqlite:{folder}/rest.db",
            "jdbc.schema-version": "V1",
            "warehouse": warehouse,
            # The one that this Iceberg takes by itself is not in the AWS bundle of the next.
            "http-client.type": "urlconnection",
            **properties,
        }
        self.uri = f"http://127.0.0.1:{self._serve(backend)}"

    def _serve(self, backend: dict[str, str]) -> int:
        jvm = self._gateway.jvm
        catalog = jvm.org.apache.iceberg.CatalogUtil.buildIcebergCatalog(
            "backend", backend, jvm.org.apache.hadoop.conf.Configuration()
        )
        settings = jvm.java.util.HashMap()
        for key, value in {**backend, "include-credentials": "true"}.items():
            settings.put(key, value)
        context = self._made("org.apache.iceberg.rest.RESTCatalogServer$CatalogContext", catalog, settings)
        adapter = self._made("org.apache.iceberg.rest.RESTServerCatalogAdapter", context)
        handler = jvm.org.eclipse.jetty.servlet.ServletContextHandler(0)
        servlet = jvm.org.apache.iceberg.rest.RESTCatalogServlet(adapter)
        handler.addServlet(jvm.org.eclipse.jetty.servlet.ServletHolder(servlet), "/*")
        server = jvm.org.eclipse.jetty.server.Server(jvm.java.net.InetSocketAddress("127.0.0.1", 0))
        server.setHandler(handler)
        server.start()
        return int(server.getConnectors()[0].getLocalPort())

    def _made(self, name: str, *arguments: object) -> object:
        """Make an object of a class that is not public."""
        jvm = self._gateway.jvm
        (constructor,) = jvm.java.lang.Class.forName(name).getDeclaredConstructors()
        constructor.setAccessible(True)
        given = self._gateway.new_array(jvm.java.lang.Object, len(arguments))
        for place, argument in enumerate(arguments):
            given[place] = argument
        return constructor.newInstance(given)

    def stop(self) -> None:
        """End it."""
        self._gateway.shutdown()
        try:
            self._process.stdin.close()
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
