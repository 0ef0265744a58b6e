package dataflow.guard

import java.nio.file.{Files, Path, Paths}

import scala.jdk.CollectionConverters._
import scala.util.Try

import dataflow.guard.Judge.Target
import dataflow.lineage.PlanObserver
import dataflow.testing.Frozen
import org.apache.hadoop.fs.{Path => HadoopPath}
import org.apache.iceberg.spark.Spark3Util
import org.apache.iceberg.spark.source.SparkTable
import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.analysis._
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.plans.logical.views._
import org.apache.spark.sql.catalyst.streaming.{WriteToStream, WriteToStreamStatement}
import org.apache.spark.sql.connector.catalog.{CatalogPlugin, Identifier, StagedTable, Table}
import org.apache.spark.sql.execution.command._
import org.apache.spark.sql.execution.datasources._
import org.apache.spark.sql.execution.datasources.v2.{DataSourceV2Relation, FileTable}
import org.apache.spark.sql.execution.streaming.sinks.FileStreamSink
import org.apache.spark.sql.execution.streaming.sources.{ForeachBatchSink, ForeachWriterTable, MemorySink}
import org.apache.spark.sql.sources.DataSourceRegister

/** Puts the rules into each session of a Spark: `spark.sql.extensions`. */
class GuardExtensions extends (SparkSessionExtensions => Unit) {
  override def apply(extensions: SparkSessionExtensions): Unit = {
    extensions.injectParser((_, parser) => new WholeParser(parser))
    extensions.injectHintResolutionRule(session => new EarlyChecks(session))
    extensions.injectHintResolutionRule(session => new NamedWrites(session))
    extensions.injectHintResolutionRule(session => new EarlyWrites(session))
    extensions.injectResolutionRule(session => new NamedInserts(session))
    extensions.injectResolutionRule(session => new PositionalInserts(session))
    extensions.injectCheckRule(session => new CheckWrites(session))
    extensions.injectCheckRule(session => new PlanObserver(session))
    extensions.injectPreCBORule(session => new PartialDeletes(session))
    Frozen.inject(extensions)
  }
}

object SessionScope {

  /** The scope of a session, by the token that it had when the rules were made. */
  def of(session: SparkSession): Scope = Scopes.of(session.conf.get(Scopes.Setting, null))
}

/**
 * Judges each analysed plan before it runs: early where the catalog would judge it as well, alone where it can't.
 *
 * Closed by default: a command that is not named here is refused.
 */
final class CheckWrites(session: SparkSession) extends (LogicalPlan => Unit) {
  private val scope = SessionScope.of(session)
  private lazy val judge = new Judge(scope)
  private lazy val files = new Exports(scope, session)

  override def apply(plan: LogicalPlan): Unit = if (!scope.isOpen) plan.foreach(check)

  private def check(node: LogicalPlan): Unit = {
    val operation = CheckWrites.operation(node)
    CheckWrites.kind(node) match {
      case Plans.Query | Plans.OfTheSession =>
      case Plans.Rows => rows(operation, node)
      case Plans.Definition => definition(operation, node)
      case Plans.Files => toFiles(operation, node)
      case Plans.TemporaryOnly => if (!isTemporary(node)) throw other(operation, node)
      case Plans.Refused => throw other(operation, node)
    }
  }

  private def other(operation: String, node: LogicalPlan): WriteRefused = judge.unknown(
    operation, s"what the guard does not know (${node.nodeName})",
    "write tables of the environment's catalog by INSERT, DELETE, UPDATE, MERGE or DDL statements that name them")

  private def rows(operation: String, node: LogicalPlan): Unit = node match {
    case write: V2WriteCommand => relation(operation, write.table)
    case delete: DeleteFromTable => relation(operation, delete.table)
    case delete: DeleteFromTableWithFilters => relation(operation, delete.table)
    case update: UpdateTable => relation(operation, update.table)
    case merge: MergeIntoTable => relation(operation, merge.targetTable)
    case stream: WriteToStream => sink(operation, stream.sink, stream.catalogAndIdent)
    case stream: WriteToStreamStatement => sink(operation, stream.sink, stream.catalogAndIdent)
    case _: InsertIntoStatement => // not resolved: Spark says so itself, and calls nothing
  }

  private def relation(operation: String, plan: LogicalPlan): Unit = plan match {
    case SubqueryAlias(_, child) => relation(operation, child)
    case it: DataSourceV2Relation =>
      val table = CheckWrites.field(it.table, "RowLevelOperationTable", "table").fold(it.table)(_.asInstanceOf[Table])
      (it.catalog, it.identifier) match {
        case (Some(catalog), Some(identifier)) => tableRows(operation, catalog, identifier, table)
        case _ => unnamed(operation, table)
      }
    case _: NamedRelation => // not resolved yet
    case _ => throw other(operation, plan)
  }

  private def tableRows(operation: String, catalog: CatalogPlugin, identifier: Identifier, table: Table): Unit =
    (Guarded.target(table), table) match {
      case (Some(target), iceberg: SparkTable) => judge.rows(operation, target, Option(iceberg.branch))
      case (_, _: StagedTable) if catalog.isInstanceOf[GuardedCatalog] => // of a CREATE TABLE AS, judged when it was staged
        judge.definition(operation, target(catalog, identifier, noProperties))
      case _ => throw outside(operation, catalog, identifier)
    }

  private def sink(operation: String, table: Table, named: Option[(org.apache.spark.sql.connector.catalog.TableCatalog, Identifier)]): Unit =
    (named, table) match {
      case (Some((catalog, identifier)), _) => tableRows(operation, catalog, identifier, table)
      case (None, _: ForeachBatchSink[_] | _: ForeachWriterTable[_] | _: MemorySink) =>
      case (None, file: FileStreamSink) => files.require(operation, CheckWrites.pathOf(file))
      case (None, other) => unnamed(operation, other)
    }

  private def unnamed(operation: String, table: Table): Unit = table match {
    case it if CheckWrites.leavesNothing(it) =>
    case file: FileTable => CheckWrites.pathsOf(file).foreach(files.require(operation, _))
    case iceberg: SparkTable =>
      throw judge.unknown(operation, s"the table in ${iceberg.table.location} by its folder", "write it by its name")
    case other => files.requireFormat(operation, other.name)
  }

  private def definition(operation: String, node: LogicalPlan): Unit = {
    node match {
      case it: AddPartitionField => named(operation, it.table)
      case it: DropPartitionField => named(operation, it.table)
      case it: ReplacePartitionField => named(operation, it.table)
      case it: SetIdentifierFields => named(operation, it.table)
      case it: DropIdentifierFields => named(operation, it.table)
      case it: SetWriteDistributionAndOrdering => named(operation, it.table)
      case it: CreateOrReplaceBranch => named(operation, it.table)
      case it: CreateOrReplaceTag => named(operation, it.table)
      case it: DropBranch => named(operation, it.table)
      case it: DropTag => named(operation, it.table)
      case it: RenameTable =>
        resolved(operation, it.child)
        named(operation, it.newName, it.child)
      case it: V2CreateTablePlan => resolved(operation, it.name)
      case it: CreateIcebergView => resolved(operation, it.child)
      case it: Command if it.children.nonEmpty => resolved(operation, it.children.head)
      case it => throw other(operation, it)
    }
  }

  private def resolved(operation: String, child: LogicalPlan): Unit = child match {
    case ResolvedTable(catalog, identifier, table, _) => changed(operation, catalog, identifier, table.properties)
    case ResolvedIdentifier(catalog, identifier) => changed(operation, catalog, identifier, standing(catalog, identifier))
    case ResolvedPersistentView(catalog, identifier, _) => changed(operation, catalog, identifier)
    case ResolvedV2View(catalog, identifier) => changed(operation, catalog, identifier)
    case ResolvedNamespace(catalog, name, _) =>
      if (!catalog.isInstanceOf[GuardedCatalog]) throw outside(operation, catalog, Identifier.of(name.toArray, "*"))
      judge.namespace(operation, catalog.name, name)
    case it: DataSourceV2Relation => relation(operation, it)
    case _: ResolvedTempView | _: ResolvedNonPersistentFunc =>
    case it if !it.resolved => // Spark says so itself
    case it => throw other(operation, it)
  }

  private def changed(
      operation: String, catalog: CatalogPlugin, identifier: Identifier, properties: java.util.Map[String, String] = noProperties
  ): Unit = {
    if (!catalog.isInstanceOf[GuardedCatalog]) throw outside(operation, catalog, identifier)
    judge.definition(operation, target(catalog, identifier, properties))
  }

  /** The properties of a table that a statement names without having it loaded, such as CREATE OR REPLACE TABLE. */
  private def standing(catalog: CatalogPlugin, identifier: Identifier) = catalog match {
    case guarded: GuardedCatalog => Try(guarded.loadTable(identifier).properties).getOrElse(noProperties)
    case _ => noProperties
  }

  private def named(operation: String, name: Seq[String], beside: LogicalPlan = null): Unit = {
    val found = beside match { // a new name without a catalog is in that of the old one
      case ResolvedTable(catalog, _, _, _) if !session.sessionState.catalogManager.isCatalogRegistered(name.head) =>
        (catalog: CatalogPlugin, Identifier.of(name.init.toArray, name.last))
      case _ =>
        val both = Spark3Util.catalogAndIdentifier(session, name.asJava)
        (both.catalog, both.identifier)
    }
    changed(operation, found._1, found._2, standing(found._1, found._2))
  }

  private def toFiles(operation: String, node: LogicalPlan): Unit = node match {
    case it: InsertIntoHadoopFsRelationCommand => files.require(operation, it.outputPath.toString)
    case it: InsertIntoDir => files.require(operation, it.storage.locationUri.map(_.toString).getOrElse("a folder"))
    case it: InsertIntoDataSourceDirCommand =>
      files.require(operation, it.storage.locationUri.map(_.toString).getOrElse("a folder"))
    case it: SaveIntoDataSourceCommand =>
      val format = it.dataSource match {
        case registered: DataSourceRegister => registered.shortName()
        case other => other.getClass.getName
      }
      if (format != "noop" && format != "console") files.requireFormat(operation, format, it.options.get("path"))
  }

  private def isTemporary(node: LogicalPlan): Boolean = node match {
    case it: CreateViewCommand => it.viewType != PersistedView
    case it: CreateFunctionCommand => it.isTemp
    case it: CreateUserDefinedFunctionCommand => CheckWrites.isTemporaryFunction(it)
    case it: DropFunctionCommand => it.isTemp
    case it: AlterViewAsCommand => session.sessionState.catalog.isTempView(it.name)
    case _ => false
  }

  private def target(catalog: CatalogPlugin, identifier: Identifier, properties: java.util.Map[String, String]) =
    Target(catalog.name, identifier.namespace.toSeq :+ identifier.name, properties.asScala.toMap)

  private val noProperties = java.util.Map.of[String, String]

  private def outside(operation: String, catalog: CatalogPlugin, identifier: Identifier): WriteRefused =
    judge.unknown(
      operation, s"${catalog.name}.${(identifier.namespace :+ identifier.name).mkString(".")}, in another catalog",
      s"write tables of ${scope.catalog}; other catalogs are there to be read")
}

object CheckWrites {

  /** What SQL calls a plan. */
  def operation(node: LogicalPlan): String = node match {
    case _: AppendData => "INSERT"
    case _: OverwriteByExpression | _: OverwritePartitionsDynamic => "INSERT OVERWRITE"
    case _: ReplaceData | _: WriteDelta => "UPDATE, DELETE or MERGE"
    case _: WriteToStream | _: WriteToStreamStatement => "a stream"
    case _: InsertIntoHadoopFsRelationCommand | _: SaveIntoDataSourceCommand => "a write by path"
    case _: InsertIntoDir | _: InsertIntoDataSourceDirCommand => "INSERT OVERWRITE DIRECTORY"
    case _ =>
      val words = node.getClass.getSimpleName.stripSuffix("Command").split("(?<=[a-z])(?=[A-Z])")
      words.map(_.toUpperCase(java.util.Locale.ROOT)).mkString(" ")
  }

  /** Which of the kinds a plan is; a class that is not listed and may change something is refused. */
  def kind(node: LogicalPlan): Plans.Kind = Plans.of(node.getClass)

  /** Whether a sink keeps nothing: `noop` and the console, by name, as their classes are Spark's own. */
  private[guard] def leavesNothing(table: Table): Boolean =
    Set("NoopTable$", "ConsoleTable$").contains(table.getClass.getName.split('.').last)

  /** A field of a case class that is Spark's own, by its name. */
  private[guard] def field(of: Any, className: String, name: String): Option[Any] = of match {
    case it: Product if className.isEmpty || it.getClass.getSimpleName == className =>
      it.productElementNames.zip(it.productIterator).collectFirst { case (`name`, value) => value }
    case _ => None
  }

  private[guard] def pathsOf(table: FileTable): Seq[String] =
    field(table, "", "paths").fold(table.fileIndex.rootPaths.map(_.toString))(_.asInstanceOf[Seq[String]])

  private[guard] def pathOf(sink: FileStreamSink): String = {
    val field = classOf[FileStreamSink].getDeclaredFields.find(_.getName.endsWith("basePath")).get
    field.setAccessible(true)
    field.get(sink).toString
  }

  private[guard] def isTemporaryFunction(command: CreateUserDefinedFunctionCommand): Boolean =
    field(command, "", "isTemp").contains(true)
}

/** The folders and formats that an environment names under `exports:`. */
final class Exports(scope: Scope, session: SparkSession) {
  private val hint = "write a table, or name the folder under 'exports:' of the environment in dataflow.yaml"

  def require(operation: String, path: String): Unit = {
    val place = real(path)
    def under(folders: Seq[String]) = folders.exists(it => inside(place, real(it)))
    if (scope.isOver || !under(scope.exports.filter(_.contains("/"))) || under(scope.closed ++ warehouses)) {
      throw scope.refuse(s"$operation would write files to $path, past the catalog", hint)
    }
  }

  def requireFormat(operation: String, format: String, path: Option[String] = None): Unit =
    if (!scope.exports.exists(_.equalsIgnoreCase(format))) path match {
      case Some(folder) => require(operation, folder)
      case None => throw scope.refuse(
        s"$operation would write to $format, past the catalog",
        s"write a table, or name the format '$format' under 'exports:' of the environment in dataflow.yaml")
    }

  private def warehouses =
    session.sparkContext.getConf.getAll.collect { case (key, value) if key.matches("spark\\.sql\\.catalog\\..*\\.warehouse") => value }.toSeq

  private def inside(path: HadoopPath, folder: HadoopPath): Boolean =
    path == folder || Option(path.getParent).exists(inside(_, folder))

  /** A path without `..` and links, as far as it is on this machine. */
  private def real(path: String): HadoopPath = {
    val asked = new HadoopPath(path)
    val qualified = Try(asked.getFileSystem(session.sessionState.newHadoopConf()).makeQualified(asked)).getOrElse(asked)
    if (qualified.toUri.getScheme == "file") new HadoopPath("file", null, followed(Paths.get(qualified.toUri.getPath).normalize).toString)
    else new HadoopPath(qualified.toUri.normalize)
  }

  private def followed(path: Path): Path =
    if (path.getParent == null) path
    else if (Files.exists(path)) path.toRealPath()
    else followed(path.getParent).resolve(path.getFileName)
}
