package dataflow.guard

import java.util.Locale

import scala.util.Try

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.connector.catalog.Table
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation

/**
 * Refuses a write by position whose column is called as another column of the table: it would be published swapped.
 *
 * A name that the table does not have says nothing, and a list of the table's columns says where each value goes.
 */
object PositionalNames {

  /** The option of a DataFrame's write by which its columns go by position on purpose. */
  val Waiver = "dataflow.positional"

  /** The comment in an INSERT that says the same. */
  private val Comment = """(?im)--\s*dataflow:\s*positional\b""".r

  private val ordinals =
    Seq("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

  /** Whether the text of a statement says that its columns go by position on purpose. */
  def isMeant(plan: LogicalPlan): Boolean =
    plan.origin.sqlText.exists(Comment.findFirstIn(_).isDefined)

  /**
   * Return what is wrong with the names of a write by position; nothing where all is well, or their number differs.
   *
   * @param columns
   *   The table's that are written, in order.
   * @param names
   *   What the query calls its own.
   * @param all
   *   All columns of the table.
   */
  def mistake(columns: Seq[String], names: Seq[String], all: Seq[String]): Option[String] =
    if (columns.size != names.size) None
    else {
      val others = all.map(lower).toSet
      columns.zip(names).zipWithIndex.collectFirst {
        case ((column, name), at) if !column.equalsIgnoreCase(name) && others(lower(name)) && !isMadeUp(name) =>
          s"the ${ordinal(at)} column is '$name', the table's ${ordinal(at)} is '$column'"
      }
    }

  /** What Spark calls columns of VALUES and of `stack`. */
  private def isMadeUp(name: String) = name.matches("""col\d+""")

  private def lower(name: String) = name.toLowerCase(Locale.ROOT)

  private def ordinal(at: Int) = ordinals.lift(at).getOrElse {
    val last = (at + 1) % 100
    val suffix = if (last > 10 && last < 20) "th" else Map(1 -> "st", 2 -> "nd", 3 -> "rd").getOrElse(last % 10, "th")
    s"${at + 1}$suffix"
  }
}

/** The INSERT of SQL, as soon as its query and its table are known, and before Spark casts and renames its columns. */
final class NamedInserts(session: SparkSession) extends Rule[LogicalPlan] {
  private val scope = SessionScope.of(session)
  private val hint = "use INSERT BY NAME, or add the comment -- dataflow: positional"

  override def apply(plan: LogicalPlan): LogicalPlan = {
    if (!scope.isOpen) plan.foreach {
      case insert @ InsertIntoStatement(it: DataSourceV2Relation, fixed, Nil, query, _, _, false)
          if query.resolved && !PositionalNames.isMeant(insert) =>
        val all = it.table.columns.map(_.name).toSeq
        val free = all.filterNot(name => fixed.exists { case (key, value) => value.isDefined && key.equalsIgnoreCase(name) })
        judge(it.table, free, query.output.map(_.name), all)
      case _ =>
    }
    plan
  }

  private def judge(table: Table, free: Seq[String], names: Seq[String], all: Seq[String]): Unit = {
    val listed = MovingColumns.of(table).flatMap(_.meant(free, names)).getOrElse(free)
    PositionalNames.mistake(listed, names, all).foreach(it => throw scope.refuse(s"$it, in ${table.name}", hint))
  }
}

/** A DataFrame's insertInto, and INSERT … REPLACE WHERE, which are writes of their own before their table is known. */
final class NamedWrites(session: SparkSession) extends Rule[LogicalPlan] {
  private val scope = SessionScope.of(session)
  private val hint = s"write by name, by writeTo(...) or BY NAME, or by the option '${PositionalNames.Waiver}'"

  override def apply(plan: LogicalPlan): LogicalPlan = {
    if (!scope.isOpen) plan match {
      case WithCTE(write: V2WriteCommand, definitions) => options(write).foreach(judge(write, _, WithCTE(_, definitions)))
      case write: V2WriteCommand => options(write).foreach(judge(write, _, identity))
      case _ =>
    }
    plan
  }

  private def judge(write: V2WriteCommand, options: Map[String, String], around: LogicalPlan => LogicalPlan): Unit =
    if (!write.isByName && !PositionalNames.isMeant(write) && !options.get(PositionalNames.Waiver).contains("true"))
      for {
        table <- NamedTables.table(session, write.table)
        query <- Try(session.sessionState.executePlan(around(write.query)).analyzed).toOption
        all = table.columns.map(_.name).toSeq
        names = query.output.map(_.name)
        listed = MovingColumns.of(table).flatMap(_.meant(all, names)).getOrElse(all)
        mistake <- PositionalNames.mistake(listed, names, all)
      } throw scope.refuse(s"$mistake, in ${table.name}", hint)

  /** The options of a write of rows; nothing for what Spark makes of an UPDATE, DELETE or MERGE. */
  private def options(write: V2WriteCommand): Option[Map[String, String]] = write match {
    case it: AppendData => Some(it.writeOptions)
    case it: OverwriteByExpression => Some(it.writeOptions)
    case it: OverwritePartitionsDynamic => Some(it.writeOptions)
    case _ => None
  }
}
