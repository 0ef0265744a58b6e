package dataflow.lineage

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.aggregate._
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan

/**
 * The lineage of expressions, given that of the attributes below them.
 *
 * All arguments of an expression are direct sources, conditions of CASE and IF included; indirect are those that SQL has
 * a clause for: the partition and order of a window, FILTER, WITHIN GROUP of LISTAGG, FOR of PIVOT.
 *
 * @param here
 *   What the attributes below the node are made of.
 * @param outer
 *   Those of the queries around it, which a subquery may ask for.
 * @param subquery
 *   Goes through a subquery's plan, and returns what its columns are made of.
 */
final class ExpressionLineage(
    here: Map[ExprId, Value],
    val outer: Map[ExprId, Value],
    subquery: (LogicalPlan, Map[ExprId, Value]) => Seq[Value]) {

  /** All attributes that a subquery in here may ask for. */
  def around: Map[ExprId, Value] = outer ++ here

  /** What is known below the node. */
  def own: Map[ExprId, Value] = here

  def has(attribute: Attribute): Boolean = here.contains(attribute.exprId)

  def attribute(attribute: Attribute): Value =
    here.getOrElse(attribute.exprId, outer.getOrElse(attribute.exprId, Value.Empty))

  /** The values of all attributes that stand in an expression, but for those inside of its subqueries. */
  def attributes(expression: Expression): Seq[Value] = expression.collect {
    case it: Attribute => attribute(it)
    case OuterReference(it) => attribute(it.toAttribute)
  }

  def leaves(expressions: Iterable[Expression]): Set[Leaf] = expressions.flatMap(value(_).leaves).toSet

  def value(expression: Expression): Value = expression match {
    case it: Attribute => attribute(it)
    case OuterReference(it) => attribute(it.toAttribute)
    case Alias(cast: Cast, name) => named(value(cast), cast, name)
    case Alias(child, _) => value(child).copy(place = None)
    case it: Literal if isNull(it) => Value.Null
    case it: Cast => value(it.child).copy(place = None)
    case it: SubqueryExpression => ofSubquery(it)
    case it: WindowExpression => window(it)
    case AggregateExpression(function, _, _, filter, _) =>
      aggregate(function).by(leaves(filter).map(_.copy(decides = true)))
    case it: AggregateFunction => aggregate(it)
    case it => structured(it).map(_.copy(place = None)).getOrElse(Value.mixed(it.children.map(value)))
  }

  /** A cast that Spark puts between a view and its query leaves a column in its place. */
  private def named(cast: Value, from: Cast, name: String) = from.child match {
    case it: Attribute if it.name == name => cast.copy(place = attribute(it).place)
    case _ => cast
  }

  private def structured(expression: Expression): Option[Value] = expression match {
    case GetStructField(child, position, _) => Some(value(child).field(position))
    case GetArrayStructFields(child, _, position, _, _) => Some(value(child).field(position))
    case GetArrayItem(child, position, _) => Some(value(child).by(value(position).leaves))
    case it: CreateNamedStruct => Some(Value.struct(it.valExprs.map(value(_).copy(place = None))))
    case CreateArray(children, _) => Some(Value.any(children.map(value)).copy(same = None))
    case Coalesce(children) => Some(Value.any(children.map(value)))
    case If(_, kept, other) if kept.semanticEquals(other) => Some(value(other)) // a column that an UPDATE leaves
    case If(condition, one, other) => Some(value(one).or(value(other)).by(value(condition).leaves))
    case CaseWhen(branches, other) =>
      Some(Value.any((branches.map(_._2) ++ other).map(value)).by(leaves(branches.map(_._1))))
    case _ => None
  }

  private def ofSubquery(expression: SubqueryExpression): Value = {
    val found = subquery(expression.plan, around)
    expression match {
      case _: Exists => Value.Empty // its own conditions decide, and nothing that it selects
      case _: ScalarSubquery => found.headOption.getOrElse(Value.Empty).copy(place = None, same = None)
      case _ => Value.mixed(found)
    }
  }

  private def window(expression: WindowExpression): Value = {
    val spec = expression.windowSpec
    val function = expression.windowFunction match {
      case _: RankLike => Value.Empty // its arguments are what it orders by
      case it => value(it)
    }
    function.by((spec.partitionSpec ++ spec.orderSpec).flatMap(value(_).deciding).toSet)
  }

  private def aggregate(function: AggregateFunction): Value = function match {
    case PivotFirst(key, it, _, _, _) => value(it).by(value(key).deciding)
    case it: ListAgg =>
      Value.mixed(Seq(it.child, it.delimiter).map(value)).by(it.orderExpressions.flatMap(value(_).deciding).toSet)
    case it: Max => chosen(it.child)
    case it: Min => chosen(it.child)
    case it: First => pivoted(it.child)
    case it: Last => pivoted(it.child)
    case it: AnyValue => value(it.child)
    case it: Collect[_] if it.children.size == 1 => pivoted(it.children.head)
    case it => Value.mixed(it.children.map(pivoted))
  }

  private def chosen(child: Expression) = pivoted(child).chosen

  /** What PIVOT makes of an aggregate whose values it can't keep in an array: `max(if(key <=> value, it, null))`. */
  private def pivoted(child: Expression): Value = child match {
    case If(EqualNullSafe(key, _: Cast), it, other) if isNull(other) => value(it).by(value(key).deciding)
    case it => value(it)
  }

  private def isNull(expression: Expression): Boolean = expression match {
    case Literal(value, _) => value == null
    case it: Cast => isNull(it.child)
    case _ => false
  }
}
