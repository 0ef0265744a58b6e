package dataflow.guard

import java.util.Locale

import scala.jdk.CollectionConverters._
import scala.util.Try

import com.fasterxml.jackson.databind.ObjectMapper
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.analysis.{UnresolvedAttribute, UnresolvedRelation}
import org.apache.spark.sql.catalyst.expressions.Alias
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.connector.catalog.Table
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation

/**
 * The columns that a migration moves, as their table says it, and which of them a write means that names none.
 *
 * While a table has the old and the new column, a write by position that gives one of the two goes on as it is: the
 * publication fills the other (decision 16).
 *
 * @param moves
 *   The new columns by the old ones; nothing where a column goes and none takes its place.
 */
final case class MovingColumns(moves: Map[String, Option[String]]) {

  /** The columns that a writer may leave out, in lower case. */
  def optional: Set[String] = moves.flatMap { case (old, next) => lower(old) :: next.map(lower).toList }.toSet

  /**
   * Return which columns a write by position means that gives fewer than there are; nothing where nobody can say.
   *
   * Of two that hold the same it gives one, as it calls it or else the old; what goes away it may leave out, where it
   * calls nothing so.
   *
   * @param columns
   *   The table's that it may give, in order.
   * @param names
   *   What the query calls those that it gives.
   */
  def meant(columns: Seq[String], names: Seq[String]): Option[Seq[String]] = {
    val called = names.map(lower).toSet
    val both = moves.collect { case (old, Some(next)) => lower(old) -> lower(next) }
    val left = both.map { case (old, next) => if (called(next) && !called(old)) old else next }.toSet
    val gone = moves.collect { case (old, None) => lower(old) }.toSet -- called
    val fitting = Seq(left, gone, left ++ gone)
      .map(out => columns.filterNot(it => out(lower(it))))
      .filter(kept => kept.size == names.size && names.size < columns.size)
      .distinct
    val alike = fitting.map(kept => kept -> kept.zip(names).count { case (one, other) => one.equalsIgnoreCase(other) })
    val best = alike.filter(_._2 == alike.map(_._2).max)
    if (best.size == 1) Some(best.head._1) else None
  }

  private def lower(name: String) = name.toLowerCase(Locale.ROOT)
}

object MovingColumns {
  val Property = "dataflow.moving-columns"
  private val json = new ObjectMapper

  /** Return the columns that a table's properties say are moved; nothing where none are. */
  def of(table: Table): Option[MovingColumns] = Option(table.properties.get(Property)).map { text =>
    val moves = json.readTree(text).properties.asScala.map(it => it.getKey -> Option(it.getValue).filterNot(_.isNull).map(_.asText))
    MovingColumns(moves.toMap)
  }.filter(_.moves.nonEmpty)
}

/** Names the columns of an INSERT by position that leaves out some that a migration moves. */
final class PositionalInserts(session: SparkSession) extends Rule[LogicalPlan] {
  override def apply(plan: LogicalPlan): LogicalPlan = plan resolveOperators {
    case insert @ InsertIntoStatement(table: DataSourceV2Relation, fixed, Nil, query, _, _, false) if query.resolved =>
      val free = table.table.columns.map(_.name).filterNot(it => fixed.exists { case (key, value) => value.isDefined && key.equalsIgnoreCase(it) })
      MovingColumns.of(table.table).flatMap(_.meant(free.toSeq, query.output.map(_.name))) match {
        case Some(listed) => insert.copy(userSpecifiedCols = listed)
        case None => insert
      }
  }
}

/**
 * Names the columns of a MERGE of stars, and of INSERT … REPLACE WHERE, that leaves out some that a migration moves.
 *
 * Among the hints, which come before relations are resolved: Spark expands a star, and fails, as soon as both sides are.
 */
final class EarlyWrites(session: SparkSession) extends Rule[LogicalPlan] {
  override def apply(plan: LogicalPlan): LogicalPlan = plan match {
    case WithCTE(write, definitions) => WithCTE(named(write, WithCTE(_, definitions)), definitions)
    case write => named(write, identity)
  }

  private def named(plan: LogicalPlan, around: LogicalPlan => LogicalPlan): LogicalPlan = plan match {
    case merge: MergeIntoTable if hasStars(merge) => starless(merge, around)
    case write: AppendData if !write.isByName =>
      byName(write, around).fold(plan)(it => write.copy(query = it, isByName = true))
    case write: OverwriteByExpression if !write.isByName =>
      byName(write, around).fold(plan)(it => write.copy(query = it, isByName = true))
    case write: OverwritePartitionsDynamic if !write.isByName =>
      byName(write, around).fold(plan)(it => write.copy(query = it, isByName = true))
    case _ => plan
  }

  private def byName(write: V2WriteCommand, around: LogicalPlan => LogicalPlan): Option[LogicalPlan] = for {
    table <- NamedTables.table(session, write.table)
    moving <- MovingColumns.of(table)
    query <- analyzed(around(write.query))
    listed <- moving.meant(table.columns.map(_.name).toSeq, query.output.map(_.name))
  } yield Project(query.output.zip(listed).map { case (value, name) => Alias(value, name)() }, query)

  private def analyzed(plan: LogicalPlan) = Try(session.sessionState.executePlan(plan).analyzed).toOption

  private def starless(merge: MergeIntoTable, around: LogicalPlan => LogicalPlan): MergeIntoTable = {
    val rewritten = for {
      table <- NamedTables.table(session, merge.targetTable)
      moving <- MovingColumns.of(table)
      source <- analyzed(around(merge.sourceTable))
    } yield {
      val named_ = source.output.map(_.name.toLowerCase(Locale.ROOT)).toSet
      val kept = table.columns.map(_.name).toSeq.filter { it =>
        val name = it.toLowerCase(Locale.ROOT)
        named_(name) || !moving.optional(name)
      }
      merge.copy(
        matchedActions = merge.matchedActions.map(starless(_, kept, merge.sourceTable)),
        notMatchedActions = merge.notMatchedActions.map(starless(_, kept, merge.sourceTable)))
    }
    rewritten.getOrElse(merge)
  }

  private def hasStars(merge: MergeIntoTable) = (merge.matchedActions ++ merge.notMatchedActions).exists {
    case _: UpdateStarAction | _: InsertStarAction => true
    case _ => false
  }

  private def starless(action: MergeAction, columns: Seq[String], source: LogicalPlan): MergeAction = action match {
    case UpdateStarAction(condition) => UpdateAction(condition, assignments(columns, source))
    case InsertStarAction(condition) => InsertAction(condition, assignments(columns, source))
    case other => other
  }

  /** A target's column and a source's have the same name: the value is the source's. */
  private def assignments(columns: Seq[String], source: LogicalPlan) = {
    val before = source match {
      case SubqueryAlias(alias, _) => Seq(alias.name)
      case UnresolvedRelation(name, _, _) => name
      case _ => Nil
    }
    columns.map(it => Assignment(UnresolvedAttribute(Seq(it)), UnresolvedAttribute(before :+ it)))
  }
}
