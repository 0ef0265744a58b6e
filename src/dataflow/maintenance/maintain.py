"""Maintenance from the plan to the end: planned without a JVM where PyIceberg speaks to the catalog, done by Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.lineage.model import plain_name
from dataflow.maintenance.plan import Figures, MaintenancePlan, plan_maintenance, require_own
from dataflow.maintenance.readers import Find, promises_of
from dataflow.tables import pyiceberg_catalog
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

    from dataflow.maintenance.promises import Promises
    from dataflow.maintenance.reachable import Listing
    from dataflow.report import Report
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.identity import Identity
    from dataflow.workflow.project import Environment


@dataclass(frozen=True)
class Access:
    """The tables of a catalog.

    Attributes:
        catalog: What the catalog is called.
        find: Finds a table; None where there is none.
        names: Returns the names of all.
        listing: Returns what lists a table's folders; None where nothing can.
    """

    catalog: str
    find: Find
    names: Callable[[], list[str]]
    listing: Callable[[Table], Listing | None]

    def load(self, name: str) -> Table:
        """Return a table.

        Raises:
            DataflowError: There is none.
        """
        found = self.find(name)
        if found is None:
            raise pyiceberg_catalog.no_table(name, table_names.split(name), self.names())
        return found

    def named(self, name: str) -> tuple[str, Table]:
        """Return a table with its name, `database.table`, however it was written.

        Raises:
            DataflowError: There is none.
        """
        return plain_name(name, self.catalog), self.load(name)

    def folders(self, but: str) -> dict[str, str]:
        """Return the folders of all tables but one, by their names."""
        tables = ((name, self.find(name)) for name in self.names() if name.lower() != but.lower())
        return {name: table.metadata.location for name, table in tables if table is not None}


def access_without_spark(environment: Environment) -> Access:
    """Return the tables of an environment's catalog as PyIceberg has them.

    Raises:
        SparkOnlyError: It can't speak to that catalog.
        DataflowError: It can't be reached.
    """
    from dataflow.maintenance.listing import listing_of
    from dataflow.tables.catalog import open_catalog

    catalog = open_catalog(environment)
    return Access(
        environment.catalog_name,
        lambda name: pyiceberg_catalog.find_table(catalog, name),
        lambda: pyiceberg_catalog.list_tables(catalog),
        listing_of,
    )


def access_through(spark: SparkSession) -> Access:
    """Return the tables of a session's catalog."""
    from dataflow.maintenance.listing import by_jvm
    from dataflow.tables.iceberg import list_tables, load
    from dataflow.tables.metadata_through_spark import find_table

    return Access(
        str(spark.conf.get("spark.sql.defaultCatalog")),
        lambda name: find_table(spark, name),
        lambda: list_tables(spark),
        lambda table: by_jvm(spark, load(spark, table_names.joined(table.name())).io()),
    )


@dataclass(frozen=True)
class Maintenance:
    """Maintenance of one table.

    Attributes:
        table: The table, `database.table`.
        environment: Where it is.
        identity: The package that it has to belong to.
        records: The run records of the environment.
        keep: For how many days a replaced snapshot is kept that a reader's mark remembers.
        now: Returns the time.
    """

    table: str
    environment: Environment
    identity: Identity
    records: RunRecords
    keep: int
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def promises(self, access: Access) -> Promises:
        """Return what is known now of those who need the table's snapshots."""
        return promises_of(self.table, self.environment, self.records, access.find, self.now(), self.keep)

    def plan(self, access: Access) -> MaintenancePlan:
        """Say what is to be done.

        Raises:
            DataflowError: There is no such table, or it is not this package's.
        """
        table = access.load(self.table)
        require_own(table.properties, self.table, self.identity)
        listing = access.listing(table)
        return plan_maintenance(self.table, table, self.promises(access), listing, lambda: access.folders(self.table))

    def run(self, spark: SparkSession, access: Access, planned: MaintenancePlan, report: Report) -> Figures:
        """Do what was planned.

        Returns:
            How large the table is then.

        Raises:
            DataflowError: A step failed; those before it are done.
        """
        from dataflow.maintenance.apply import Maintainer
        from dataflow.maintenance.plan import figures_of

        Maintainer(
            spark,
            self.table,
            lambda: access.load(self.table),
            lambda: self.promises(access),
            report,
        ).run(planned)
        return figures_of(access.load(self.table))


def own_tables(access: Access, identity: Identity) -> list[str]:
    """Return the tables of a package.

    Raises:
        DataflowError: It has none.
    """
    from dataflow.tables.properties import PACKAGE

    def properties(name: str) -> Mapping[str, str]:
        table = access.find(name)
        return {} if table is None else table.properties

    found = [name for name in access.names() if properties(name).get(PACKAGE) == identity.uuid]
    if not found:
        raise DataflowError(
            f"package {identity.package_id} has no table yet", "`dataflow workflow run main.sch.yaml` makes them"
        )
    return found


@dataclass(frozen=True)
class Maintained:
    """What maintenance planned for a table, and what it did.

    Attributes:
        task: The maintenance.
        planned: What was planned.
        after: How large the table is since; None where nothing was done.
    """

    task: Maintenance
    planned: MaintenancePlan
    after: Figures | None = None

    @property
    def before(self) -> Figures:
        """How large the table was."""
        return self.planned.before

    def done(self, spark: SparkSession, access: Access, report: Report) -> Maintained:
        """Do what was planned, and return how large the table is then."""
        return replace(self, after=self.task.run(spark, access, self.planned, report))


def maintenances(
    environment: Environment,
    access: Access,
    identity: Identity,
    records: RunRecords,
    names: Sequence[str],
    keep: int,
) -> list[Maintained]:
    """Plan the maintenance of tables of a package: of all of them where none is named.

    Raises:
        DataflowError: One is not this package's, or is not there; or the package has none.
    """
    catalog = environment.catalog_name
    wanted = dict.fromkeys(plain_name(it, catalog) for it in names) or own_tables(access, identity)
    tasks = [Maintenance(name, environment, identity, records, keep) for name in wanted]
    return [Maintained(it, it.plan(access)) for it in tasks]
