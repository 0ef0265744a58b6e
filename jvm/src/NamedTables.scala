package dataflow.guard

import scala.util.Try

import dataflow.guard.Judge.Target
import org.apache.iceberg.HasTableOperations
import org.apache.iceberg.spark.source.SparkTable
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, SubqueryAlias}
import org.apache.spark.sql.connector.catalog.{Identifier, Table, TableCatalog}
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation

/** Tables that a plan names before Spark has looked them up. */
object NamedTables {

  /** Return the table behind a relation; nothing where there is none. */
  def table(session: SparkSession, relation: LogicalPlan): Option[Table] = relation match {
    case SubqueryAlias(_, child) => table(session, child)
    case found: DataSourceV2Relation => Some(found.table)
    case UnresolvedRelation(name, _, _) =>
      val manager = session.sessionState.catalogManager
      Try {
        val (catalog, rest) =
          if (name.size > 1 && manager.isCatalogRegistered(name.head)) (manager.catalog(name.head), name.tail)
          else (manager.currentCatalog, if (name.size == 1) manager.currentNamespace.toSeq ++ name else name)
        catalog.asInstanceOf[TableCatalog].loadTable(Identifier.of(rest.init.toArray, rest.last))
      }.toOption
    case _ => None
  }
}

/** What the guarded catalog handed out. */
object Guarded {

  /** Return what a table is, whatever name it was asked for by; nothing where it is not from a guarded catalog. */
  def target(table: Table): Option[Target] = table match {
    case iceberg: SparkTable => iceberg.table match {
      case it: HasTableOperations => it.operations match {
        case guarded: GuardedOperations => Some(guarded.described)
        case _ => None
      }
      case _ => None
    }
    case _ => None
  }

  /** Say whether a table is the one that a scope allows to be written. */
  def allows(scope: Scope, table: Table): Boolean = scope.reach match {
    case OneTable(name, _, _) => target(table).exists(it => it.catalog == scope.catalog && it.name == name)
    case _ => false
  }
}
