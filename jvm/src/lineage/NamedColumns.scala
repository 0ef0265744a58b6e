package dataflow.lineage

import java.util.Locale

import scala.collection.mutable

import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, Cast, Expression, NamedExpression}
import org.apache.spark.sql.catalyst.plans.logical.{Join, Project}

/**
 * What a statement's own text tells.
 *
 * @param text
 *   The text; empty where there is none, or not all of what is asked stands in it.
 */
final class Statement(text: String) {
  import Statement._

  /** Whether all that is asked stands in the text. */
  val isWhole: Boolean = text.nonEmpty && Vague.findFirstIn(text).isEmpty

  /** Whether there may be a list of columns that the text does not spell. */
  val mayStar: Boolean = !isWhole || Star.findFirstIn(text).isDefined

  private lazy val words = wordsOf(text)

  /** Say whether a column's name may stand in the text. */
  def maySay(column: String): Boolean = !isWhole || wordsOf(column).subsetOf(words)

  private def wordsOf(of: String) = Word.findAllIn(of.toLowerCase(Locale.ROOT)).toSet
}

object Statement {
  private val Word = """(?U)\w+""".r
  private val Star =
    """(?i)(?:\b(?:select|distinct|all)|[,./]|(?<!count)\()\s*\*|\b(?:table|pivot|unpivot|merge)\b""".r
  private val Vague = """(?i)\|>|\bidentifier\s*\(|\bexecute\s+immediate\b""".r
}

/**
 * Gathers the columns that a plan names, whatever becomes of them: it fails without them.
 *
 * A projection that passes on all the columns of a relation, in their order, is a star's (or that of `withColumn`, or of
 * a join's USING): it names none of them. One that leaves some out is a list that somebody wrote. The statement's own
 * text settles what it can.
 */
final class NamedColumns(statement: Statement) {
  val found: mutable.Set[Leaf] = mutable.Set.empty

  /** Take in expressions that name what they use. */
  def see(expressions: Iterable[Expression], scope: ExpressionLineage): Unit =
    expressions.foreach(it => found ++= scope.attributes(it).flatMap(_.leaves))

  /** Take in a projection. */
  def project(project: Project, scope: ExpressionLineage): Unit = {
    val below = project.child.output.map(it => scope.attribute(it))
    val passed = mutable.LinkedHashSet.empty[Value]
    val used = mutable.Set.empty[Value]
    val names = mutable.Set.empty[String]
    for (item <- project.projectList) item match {
      case it: Attribute if scope.has(it) => passed += scope.attribute(it)
      case Alias(cast: Cast, name) if isRetyped(cast, name) => passed += scope.value(cast.child)
      case it =>
        used ++= scope.attributes(it)
        names += it.name.toLowerCase(Locale.ROOT)
    }
    used.foreach(found ++= _.leaves)
    project.child match {
      case join: Join => used ++= join.condition.toSeq.flatMap(scope.attributes)
      case _ =>
    }
    val isList = !statement.mayStar && !project.child.isInstanceOf[Join]
    val brought = byRelation(below)
    for ((relation, mine) <- byRelation(passed)) {
      if (isList || !isWhole(brought.getOrElse(relation, Nil), mine, names.toSet, used.toSet)) {
        mine.foreach(found ++= _.leaves)
      }
    }
  }

  /** What Spark puts between a view and its query, and below a union, where types differ. */
  private def isRetyped(cast: Cast, name: String) = cast.child match {
    case it: NamedExpression => it.name == name
    case _ => false
  }

  private def byRelation(values: Iterable[Value]): Map[Int, Seq[Value]] =
    values.toSeq.filter(_.place.isDefined).groupBy(_.place.get.relation)

  /** Say whether a list is all of a relation, in order, apart from what another item is made of, or is called like. */
  private def isWhole(here: Seq[Value], mine: Seq[Value], names: Set[String], used: Set[Value]): Boolean = {
    val listed = mine.toSet
    val leftOut = here.filterNot(listed)
    leftOut.forall(it => used(it) || names(it.place.get.name.toLowerCase(Locale.ROOT))) &&
    here.filter(it => listed(it) && !used(it)) == mine.filterNot(used)
  }
}
