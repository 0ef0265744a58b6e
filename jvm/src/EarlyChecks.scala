package dataflow.guard

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.analysis.UnresolvedProcedure
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule

/**
 * Judges what has happened, or has become something else, by the time that Spark checks an analysed plan.
 *
 * A CALL runs while it is analysed; a procedure of our catalog is judged when it is loaded, and by what it commits. And
 * inside wap, MERGE and UPDATE work on the rows that are there. A published partition is what its run made of it, so
 * rows that a run did not write go: a script that changes some of them has to say that the others stay.
 */
final class EarlyChecks(session: SparkSession) extends Rule[LogicalPlan] {
  private val scope = SessionScope.of(session)

  override def apply(plan: LogicalPlan): LogicalPlan = {
    if (!scope.isOpen) plan.foreach {
      case Call(UnresolvedProcedure(name), _, _) => procedure(name)
      case merge: MergeIntoTable if isReplaced(merge.targetTable) => throw ExistingRows.refusal(scope, "MERGE")
      case update: UpdateTable if isReplaced(update.table) => throw ExistingRows.refusal(scope, "UPDATE")
      case _ =>
    }
    plan
  }

  private def procedure(name: Seq[String]): Unit = {
    val manager = session.sessionState.catalogManager
    val catalog = if (manager.isCatalogRegistered(name.head)) manager.catalog(name.head) else manager.currentCatalog
    catalog match {
      case guarded: GuardedCatalog => guarded.judgeProcedure(name.last)
      case _ =>
        throw new Judge(scope).unknown("CALL", s"what ${name.mkString(".")} does", "other catalogs are there to be read")
    }
  }

  private def isReplaced(relation: LogicalPlan): Boolean =
    ExistingRows.applies(scope) && NamedTables.table(session, relation).exists(Guarded.allows(scope, _))
}

/** The same for DELETE, which only the optimizer knows to be of whole files or of some of their rows. */
final class PartialDeletes(session: SparkSession) extends Rule[LogicalPlan] {
  private val scope = SessionScope.of(session)

  override def apply(plan: LogicalPlan): LogicalPlan = {
    if (ExistingRows.applies(scope)) plan.foreach {
      case _: RowLevelWrite => throw ExistingRows.refusal(scope, "DELETE of some rows")
      case _ =>
    }
    plan
  }
}

object ExistingRows {
  private[guard] def applies(scope: Scope): Boolean = scope.reach match {
    case OneTable(_, _, keepsExisting) => !keepsExisting
    case _ => false
  }

  private[guard] def refusal(scope: Scope, operation: String): WriteRefused = scope.reach match {
    case OneTable(name, _, _) =>
      scope.refuse(
        s"$operation inside wap changes rows of ${name.mkString(".")} that are there, and the run replaces them all",
        "say in the wap template that the others stay, by the line 'existing: keep'")
    case _ => throw new IllegalStateException("only a job inside wap replaces all rows")
  }
}
