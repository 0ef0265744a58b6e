package dataflow.guard

import java.util.concurrent.ConcurrentHashMap

import scala.annotation.nowarn
import scala.jdk.CollectionConverters._

import dataflow.guard.Judge.Target
import org.apache.iceberg.BaseTable
import org.apache.iceberg.catalog.{Catalog => IcebergCatalog}
import org.apache.iceberg.rest.RESTCatalog
import org.apache.iceberg.spark.{PathIdentifier, SparkCatalog, TimeTravel}
import org.apache.iceberg.spark.source.SparkTable
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.connector.catalog.{Identifier, StagedTable, Table, TableChange, TableInfo}
import org.apache.spark.sql.connector.catalog.procedures.UnboundProcedure
import org.apache.spark.sql.connector.expressions.Transform
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.util.CaseInsensitiveStringMap

/**
 * Iceberg's catalog for Spark, of which each session gets what its scope allows.
 *
 * All that changes a table ends in a commit of its metadata, and a commit is judged (`GuardedOperations`); what makes,
 * renames or drops tables, views and databases is judged when it is called (`GuardedIceberg`). The run's own table is
 * handed out at the run's branch, so that plain reads and writes go there, whatever way they take. Where the catalog's
 * tables lie is said by the Spark context's settings alone, and one client serves all sessions.
 */
@nowarn("cat=deprecation") // the older ways to make a table are there to be called
class GuardedCatalog extends SparkCatalog {
  private var scope: Scope = _
  private var judge: Judge = _
  private var catalog: String = _
  private var purgesByServer = false

  override protected def buildIcebergCatalog(name: String, options: CaseInsensitiveStringMap): IcebergCatalog = {
    catalog = name
    val context = SparkSession.active.sparkContext
    val prefix = s"spark.sql.catalog.$name"
    val known = context.getConf.contains(prefix)
    val settings = if (known) context.getConf.getAllWithPrefix(s"$prefix.").toMap.asJava else options.asCaseSensitiveMap
    scope = if (known) Scopes.of(options.get("scope")) else Scopes.of(null)
    judge = new Judge(scope)
    def build = super.buildIcebergCatalog(name, new CaseInsensitiveStringMap(settings))
    val delegate =
      if (known && !settings.getOrDefault("catalog-impl", "").endsWith("InMemoryCatalog")) GuardedCatalog.clients.computeIfAbsent(s"${context.applicationId} $name", _ => build) else build
    purgesByServer = delegate.isInstanceOf[RESTCatalog] && options.getBoolean("purge-by-server", false)
    if (scope.isOpen) delegate else new GuardedIceberg(name, delegate, judge)
  }

  /** The scope of the session that this catalog is of. */
  def sessionScope: Scope = scope

  private def isPath(identifier: Identifier) = identifier.isInstanceOf[PathIdentifier]

  private def target(identifier: Identifier) = Target(catalog, identifier.namespace.toSeq :+ identifier.name)

  override def loadTable(identifier: Identifier): Table = super.loadTable(identifier) match {
    case table: SparkTable if isPath(identifier) => guardedByPath(identifier, table)
    case table: SparkTable if table.branch == null && !isMetadata(table) =>
      scope.reach match {
        case OneTable(name, branch, _) if catalog == scope.catalog && target(identifier).name == name =>
          table.copyWithBranch(branch)
        case _ => table
      }
    case table => table
  }

  override def loadTable(identifier: Identifier, version: String): Table =
    guardedByPath(identifier, super.loadTable(identifier, version))

  override def loadTable(identifier: Identifier, timestamp: Long): Table =
    guardedByPath(identifier, super.loadTable(identifier, timestamp))

  private def isMetadata(table: SparkTable) = !table.table.isInstanceOf[BaseTable]

  /** Tables that are named by their folder do not come from the catalog. */
  private def guardedByPath(identifier: Identifier, table: Table): Table = table match {
    case found: SparkTable if isPath(identifier) && !scope.isOpen =>
      found.table match {
        case base: BaseTable =>
          val guarded = GuardedIceberg.guarded(base, target(identifier), judge)
          if (found.snapshotId != null) SparkTable.create(guarded, TimeTravel.version(found.snapshotId.toString))
          else SparkTable.create(guarded, found.branch)
        case _ => found
      }
    case found => found
  }

  private def judgePath(operation: String, identifier: Identifier): Unit =
    if (isPath(identifier) && !scope.isOpen) judge.definition(operation, target(identifier))

  override def createTable(
      identifier: Identifier, schema: StructType, partitions: Array[Transform], properties: java.util.Map[String, String]
  ): Table = {
    judgePath("CREATE TABLE", identifier)
    super.createTable(identifier, schema, partitions, properties)
  }

  override def createTable(identifier: Identifier, info: TableInfo): Table = {
    judgePath("CREATE TABLE", identifier)
    super.createTable(identifier, info)
  }

  override def stageCreate(
      identifier: Identifier, schema: StructType, partitions: Array[Transform], properties: java.util.Map[String, String]
  ): StagedTable = {
    judgePath("CREATE TABLE", identifier)
    super.stageCreate(identifier, schema, partitions, properties)
  }

  override def stageCreate(identifier: Identifier, info: TableInfo): StagedTable = {
    judgePath("CREATE TABLE", identifier)
    super.stageCreate(identifier, info)
  }

  override def stageReplace(
      identifier: Identifier, schema: StructType, partitions: Array[Transform], properties: java.util.Map[String, String]
  ): StagedTable = {
    judgePath("REPLACE TABLE", identifier)
    super.stageReplace(identifier, schema, partitions, properties)
  }

  override def stageReplace(identifier: Identifier, info: TableInfo): StagedTable = {
    judgePath("REPLACE TABLE", identifier)
    super.stageReplace(identifier, info)
  }

  override def stageCreateOrReplace(
      identifier: Identifier, schema: StructType, partitions: Array[Transform], properties: java.util.Map[String, String]
  ): StagedTable = {
    judgePath("CREATE OR REPLACE TABLE", identifier)
    super.stageCreateOrReplace(identifier, schema, partitions, properties)
  }

  override def stageCreateOrReplace(identifier: Identifier, info: TableInfo): StagedTable = {
    judgePath("CREATE OR REPLACE TABLE", identifier)
    super.stageCreateOrReplace(identifier, info)
  }

  override def alterTable(identifier: Identifier, changes: TableChange*): Table = {
    judgePath("ALTER TABLE", identifier)
    super.alterTable(identifier, changes: _*)
  }

  override def dropTable(identifier: Identifier): Boolean = {
    judgePath("DROP TABLE", identifier)
    super.dropTable(identifier)
  }

  override def purgeTable(identifier: Identifier): Boolean = {
    judgePath("DROP TABLE", identifier)
    if (purgesByServer) icebergCatalog.dropTable(buildIdentifier(identifier), true) else super.purgeTable(identifier)
  }

  /** Procedures go through this catalog and are judged by what they commit, but for those that touch files alone. */
  override def loadProcedure(identifier: Identifier): UnboundProcedure = {
    judgeProcedure(identifier.name)
    super.loadProcedure(identifier)
  }

  /** Asked before a procedure is loaded as well: a failure to load one would hide in Spark's own why it failed. */
  private[guard] def judgeProcedure(name: String): Unit = {
    val allowed = scope.reach match {
      case All => true
      case _: Database => GuardedCatalog.Judged(name) || GuardedCatalog.Reading(name)
      case _ => GuardedCatalog.Reading(name)
    }
    if (!allowed) {
      throw judge.unknown(
        s"CALL $name", "what can't be known before it runs",
        "write it as plain INSERT, DELETE, UPDATE, MERGE or DDL statements that name their tables")
    }
  }
}

object GuardedCatalog {
  private val clients = new ConcurrentHashMap[String, IcebergCatalog]

  private val Reading = Set("ancestors_of", "create_changelog_view")

  /** Procedures whose every effect follows from a commit to the table that they name. */
  private val Judged = Set(
    "cherrypick_snapshot", "compute_partition_stats", "compute_table_stats", "expire_snapshots", "fast_forward",
    "publish_changes", "rewrite_manifests", "rollback_to_snapshot", "rollback_to_timestamp", "set_current_snapshot")
}
