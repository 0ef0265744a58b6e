package dataflow.guard

import java.util.{List => JavaList, Map => JavaMap, Set => JavaSet}

import scala.jdk.CollectionConverters._

import dataflow.guard.Judge.Target
import org.apache.iceberg._
import org.apache.iceberg.catalog._
import org.apache.iceberg.encryption.EncryptionManager
import org.apache.iceberg.exceptions.{NoSuchTableException, NoSuchViewException}
import org.apache.iceberg.hadoop.HadoopCatalog
import org.apache.iceberg.io.{FileIO, LocationProvider}
import org.apache.iceberg.view.{BaseView, View, ViewBuilder, ViewMetadata, ViewOperations}

/** An Iceberg catalog that judges each change before the catalog behind it hears of it. */
final class GuardedIceberg(catalog: String, delegate: Catalog, judge: Judge)
    extends Catalog
    with SupportsNamespaces
    with ViewCatalog {
  private val namespaces = Option(delegate).collect { case it: SupportsNamespaces => it }
  private val views = Option(delegate).collect { case it: ViewCatalog => it }

  private def target(name: TableIdentifier): Target = Target(catalog, name.namespace.levels.toSeq :+ name.name)

  /** What is there already under a name, with the properties that say whose it is. */
  private def standing(name: TableIdentifier): Target =
    try target(name).copy(properties = delegate.loadTable(name).properties.asScala.toMap)
    catch { case _: NoSuchTableException => target(name) }

  override def name: String = delegate.name

  override def initialize(name: String, properties: JavaMap[String, String]): Unit = ()

  // ------------------------------------------------------------------------------------------------ tables

  override def listTables(namespace: Namespace): JavaList[TableIdentifier] = delegate.listTables(namespace)

  override def tableExists(name: TableIdentifier): Boolean = delegate.tableExists(name)

  override def invalidateTable(name: TableIdentifier): Unit = delegate.invalidateTable(name)

  override def loadTable(name: TableIdentifier): Table =
    GuardedIceberg.guarded(delegate.loadTable(name), target(name), judge)

  override def loadTable(name: TableIdentifier, context: LoadContext): Table =
    GuardedIceberg.guarded(delegate.loadTable(name, context), target(name), judge)

  override def buildTable(name: TableIdentifier, schema: Schema): Catalog.TableBuilder = {
    judge.definition("CREATE TABLE", standing(name))
    new GuardedBuilder(delegate.buildTable(name, schema), target(name), judge)
  }

  override def dropTable(name: TableIdentifier, purge: Boolean): Boolean = {
    judge.definition("DROP TABLE", standing(name))
    delegate.dropTable(name, purge)
  }

  override def renameTable(from: TableIdentifier, to: TableIdentifier): Unit = {
    judge.definition("RENAME", standing(from))
    judge.definition("RENAME", target(to))
    delegate.renameTable(from, to)
  }

  override def registerTable(name: TableIdentifier, metadata: String): Table = throw registering(name)

  override def registerTable(name: TableIdentifier, metadata: String, overwrite: Boolean): Table =
    throw registering(name)

  private def registering(name: TableIdentifier) =
    judge.unknown("registering a table", s"${target(name)} over files of another table", "copy its rows instead")

  // -------------------------------------------------------------------------------------------- databases

  override def listNamespaces(namespace: Namespace): JavaList[Namespace] =
    namespaces.fold(java.util.List.of[Namespace])(_.listNamespaces(namespace))

  override def loadNamespaceMetadata(namespace: Namespace): JavaMap[String, String] =
    databases.loadNamespaceMetadata(namespace)

  override def namespaceExists(namespace: Namespace): Boolean = namespaces.exists(_.namespaceExists(namespace))

  override def createNamespace(namespace: Namespace, metadata: JavaMap[String, String]): Unit = {
    judge.namespace("CREATE NAMESPACE", catalog, namespace.levels.toSeq)
    // Spark adds an owner by itself, which a Hadoop catalog has no place for; Iceberg leaves it out there as well.
    val kept = if (delegate.isInstanceOf[HadoopCatalog] && metadata.keySet == GuardedIceberg.Owner) {
      java.util.Map.of[String, String]
    } else metadata
    databases.createNamespace(namespace, kept)
  }

  override def dropNamespace(namespace: Namespace): Boolean = {
    judge.namespace("DROP NAMESPACE", catalog, namespace.levels.toSeq)
    databases.dropNamespace(namespace)
  }

  override def setProperties(namespace: Namespace, properties: JavaMap[String, String]): Boolean = {
    judge.namespace("ALTER NAMESPACE", catalog, namespace.levels.toSeq)
    databases.setProperties(namespace, properties)
  }

  override def removeProperties(namespace: Namespace, properties: JavaSet[String]): Boolean = {
    judge.namespace("ALTER NAMESPACE", catalog, namespace.levels.toSeq)
    databases.removeProperties(namespace, properties)
  }

  private def databases: SupportsNamespaces =
    namespaces.getOrElse(throw new UnsupportedOperationException(s"catalog $catalog has no namespaces"))

  // ------------------------------------------------------------------------------------------------ views

  override def listViews(namespace: Namespace): JavaList[TableIdentifier] =
    views.fold(java.util.List.of[TableIdentifier])(_.listViews(namespace))

  override def viewExists(name: TableIdentifier): Boolean = views.exists(_.viewExists(name))

  override def loadView(name: TableIdentifier): View = guardedView(name, _.loadView(name))

  override def loadView(name: TableIdentifier, context: LoadContext): View =
    guardedView(name, _.loadView(name, context))

  private def guardedView(name: TableIdentifier, load: ViewCatalog => View): View =
    views.map(load) match {
      case Some(view: BaseView) => new BaseView(new GuardedViewOperations(view.operations, target(name), judge), view.name)
      case Some(view) => view
      case None => throw new NoSuchViewException("View does not exist: %s", name)
    }

  override def invalidateView(name: TableIdentifier): Unit = views.foreach(_.invalidateView(name))

  override def buildView(name: TableIdentifier): ViewBuilder = {
    judge.definition("CREATE VIEW", target(name))
    viewCatalog.buildView(name)
  }

  override def dropView(name: TableIdentifier): Boolean = {
    judge.definition("DROP VIEW", target(name))
    viewCatalog.dropView(name)
  }

  override def renameView(from: TableIdentifier, to: TableIdentifier): Unit = {
    judge.definition("RENAME", target(from))
    judge.definition("RENAME", target(to))
    viewCatalog.renameView(from, to)
  }

  override def registerView(name: TableIdentifier, metadata: String): View = throw registering(name)

  private def viewCatalog: ViewCatalog =
    views.getOrElse(throw new UnsupportedOperationException(s"catalog $catalog has no views"))
}

object GuardedIceberg {
  private val Owner = java.util.Set.of("owner")

  /** Return a table whose commits are judged; tables about a table (its files, its history) only read. */
  def guarded(table: Table, target: Target, judge: Judge): Table = table match {
    case base: BaseTable =>
      new BaseTable(new GuardedOperations(base.operations, target, judge), base.name, base.reporter, base.labels)
    case _: BaseMetadataTable => table
    case other => throw judge.unknown("a write", s"$target, a ${other.getClass.getSimpleName}", "read it in another session")
  }
}

/** Where all changes of one table end: a commit of its metadata. */
final class GuardedOperations(delegate: TableOperations, target: Target, judge: Judge) extends TableOperations {

  /** What table it is, and whose. */
  def described: Target = target.copy(properties = current.properties.asScala.toMap)

  override def commit(base: TableMetadata, metadata: TableMetadata): Unit = {
    judge.commit(target, base, metadata)
    delegate.commit(base, metadata)
  }

  override def current: TableMetadata = delegate.current
  override def refresh: TableMetadata = delegate.refresh
  override def io: FileIO = delegate.io
  override def encryption: EncryptionManager = delegate.encryption
  override def metadataFileLocation(file: String): String = delegate.metadataFileLocation(file)
  override def locationProvider: LocationProvider = delegate.locationProvider
  override def temp(uncommitted: TableMetadata): TableOperations = delegate.temp(uncommitted)
  override def newSnapshotId: Long = delegate.newSnapshotId
  override def requireStrictCleanup: Boolean = delegate.requireStrictCleanup
}

/** The same for a view. */
final class GuardedViewOperations(delegate: ViewOperations, target: Target, judge: Judge) extends ViewOperations {
  override def current: ViewMetadata = delegate.current
  override def refresh: ViewMetadata = delegate.refresh
  override def commit(base: ViewMetadata, metadata: ViewMetadata): Unit = {
    judge.definition("ALTER VIEW", target)
    delegate.commit(base, metadata)
  }
}

/** Makes a table, which was judged when the builder was asked for; what it returns is judged as any other. */
final class GuardedBuilder(private var delegate: Catalog.TableBuilder, target: Target, judge: Judge)
    extends Catalog.TableBuilder {
  private def same(next: Catalog.TableBuilder): Catalog.TableBuilder = {
    delegate = next
    this
  }

  override def withPartitionSpec(spec: PartitionSpec): Catalog.TableBuilder = same(delegate.withPartitionSpec(spec))
  override def withSortOrder(order: SortOrder): Catalog.TableBuilder = same(delegate.withSortOrder(order))
  override def withLocation(location: String): Catalog.TableBuilder = same(delegate.withLocation(location))
  override def withProperties(properties: JavaMap[String, String]): Catalog.TableBuilder =
    same(delegate.withProperties(properties))
  override def withProperty(key: String, value: String): Catalog.TableBuilder = same(delegate.withProperty(key, value))
  override def create(): Table = GuardedIceberg.guarded(delegate.create(), target, judge)
  override def createTransaction(): Transaction = delegate.createTransaction()
  override def replaceTransaction(): Transaction = delegate.replaceTransaction()
  override def createOrReplaceTransaction(): Transaction = delegate.createOrReplaceTransaction()
}
