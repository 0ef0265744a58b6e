package dataflow.lineage

import scala.collection.mutable

import org.apache.iceberg.BaseMetadataTable
import org.apache.iceberg.spark.source.SparkTable
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.streaming.StreamingRelationV2
import org.apache.spark.sql.catalyst.util.{quoteIfNeeded, MetadataColumnHelper}
import org.apache.spark.sql.connector.catalog.{CatalogPlugin, Identifier}
import org.apache.spark.sql.execution.{ExternalRDD, LogicalRDD}
import org.apache.spark.sql.execution.datasources.LogicalRelation
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation

/**
 * Follows columns through an analysed plan, from the relations up.
 *
 * @param statement
 *   What the plan's own text tells.
 * @param remembered
 *   What attributes of earlier plans of this session are made of, of which the rows were kept.
 */
final class PlanLineage(statement: Statement, remembered: ExprId => Option[CachedColumn]) {
  import PlanLineage._

  /** What decides which rows there are. */
  val deciding: mutable.Set[Leaf] = mutable.Set.empty

  /** What is named, whatever becomes of it. */
  val named = new NamedColumns(statement)

  /** The tables and views that are read. */
  val tables: mutable.LinkedHashSet[String] = mutable.LinkedHashSet.empty

  /** Tables about a table, whose columns nobody makes. */
  val about: mutable.Set[String] = mutable.Set.empty

  /** The snapshots that are read. */
  val relations: mutable.LinkedHashMap[String, DataSourceV2Relation] = mutable.LinkedHashMap.empty

  /** Kinds of nodes that nobody knows: which columns went where is unknown. */
  val unknown: mutable.LinkedHashSet[String] = mutable.LinkedHashSet.empty

  /** Whether rows come from code rather than from a table. */
  var isOpaque = false

  private val definitions = mutable.Map.empty[Long, Seq[Value]]
  private val loops = mutable.Map.empty[Long, Seq[Value]]
  private var numbers = 0

  type Known = Map[ExprId, Value]

  /** Say whether a column's name may stand in the statement. */
  def maySay(column: String): Boolean = statement.maySay(column)

  /** Return what a plan's columns are made of, in order. */
  def columns(plan: LogicalPlan, outer: Known = Map.empty): Seq[Value] = {
    val known = follow(plan, outer)
    plan.output.map(it => known.getOrElse(it.exprId, Value.Empty))
  }

  private def follow(plan: LogicalPlan, outer: Known): Known = plan match {
    case it: DataSourceV2Relation => relation(it)
    case it: LogicalRelation => fileTable(it)
    case it: StreamingRelationV2 => stream(it)
    case it: SubqueryAlias => alias(it, outer)
    case it: View => view(it, outer)
    case it: WithCTE =>
      it.cteDefs.foreach(follow(_, outer))
      follow(it.plan, outer)
    case it: CTERelationDef =>
      definitions(it.id) = columns(it.child, outer)
      Map.empty
    case it: CTERelationRef => placed(it.output.zip(definitions.getOrElse(it.cteId, Nil)))
    case it: UnionLoop => loop(it, outer)
    case it: UnionLoopRef => zipped(it.output, loops.getOrElse(it.loopId, Nil))
    case it: LogicalRDD => rows(it.output)
    case it: ExternalRDD[_] => rows(it.output)
    case it: LocalRelation =>
      isOpaque |= !statement.isWhole && it.data.nonEmpty
      Map.empty
    case it: Union => united(it, outer)
    case it @ (_: Intersect | _: Except) =>
      val sides = it.children.map(columns(_, outer))
      deciding ++= sides.flatten.flatMap(_.leaves)
      zipped(it.output, sides.head)
    case it: Join => joined(it, outer)
    case it: LateralJoin => lateral(it, outer)
    case it: Expand => expanded(it, outer)
    case it: Project =>
      val scope = reading(it.child, outer)
      named.project(it, scope)
      it.projectList.map(item => item.exprId -> scope.value(item)).toMap
    case it => through(it, reading(outer, it.children: _*))
  }

  /** Nodes of one input that only look at it, or make more of it; what is left is code, or nobody knows it. */
  private def through(plan: LogicalPlan, scope: ExpressionLineage): Known = {
    named.see(plan.expressions, scope)
    plan match {
      case it: Aggregate =>
        deciding ++= scope.leaves(it.groupingExpressions)
        it.aggregateExpressions.map(item => item.exprId -> scope.value(item)).toMap
      case it: Window =>
        scope.own ++ it.windowExpressions.map(item => item.exprId -> scope.value(item))
      case it: Generate => scope.own ++ GeneratorLineage.columns(it, scope)
      case it: Distinct =>
        deciding ++= it.output.flatMap(scope.attribute(_).leaves)
        scope.own
      case it: MergeRows => merged(it, scope)
      case _: Filter | _: Sort | _: Deduplicate | _: DeduplicateWithinWatermark | _: RepartitionByExpression |
          _: RebalancePartitions | _: AsOfJoin | _: TypedFilter =>
        deciding ++= scope.leaves(plan.expressions)
        scope.own
      case it: DeserializeToObject => Map(it.outputObjAttr.exprId -> Value(scope.leaves(Seq(it.deserializer))))
      case _ if Transparent(plan.nodeName) => scope.own
      case _ =>
        if (!Code(plan.nodeName)) unknown += plan.nodeName
        val all = Value(plan.children.flatMap(_.output).flatMap(scope.attribute(_).leaves).toSet)
        scope.own ++ plan.output.filterNot(scope.has).map(_.exprId -> all)
    }
  }

  private def reading(below: LogicalPlan, outer: Known): ExpressionLineage = reading(outer, below)

  private def reading(outer: Known, below: LogicalPlan*): ExpressionLineage =
    new ExpressionLineage(below.flatMap(follow(_, outer)).toMap, outer, columns)

  private def zipped(output: Seq[Attribute], values: Seq[Value]): Known = output.map(_.exprId).zip(values).toMap

  /** Columns that come out of a relation, each in its place. */
  private def placed(columns: Seq[(Attribute, Value)]): Known = {
    numbers += 1
    columns.map { case (it, value) => it.exprId -> value.copy(place = Some(Place(numbers, it.name))) }.toMap
  }

  private def relation(it: DataSourceV2Relation): Known = tableOf(it) match {
    case Some(table) =>
      tables += table
      relations.getOrElseUpdate(table, it)
      if (isAbout(it)) about += table
      placed(it.output.filterNot(_.isMetadataCol).map { column =>
        column -> Value(Set(Leaf(table, column.name)), same = Some((table, column.name)))
      })
    case None => Map.empty
  }

  /** What a stream's micro-batches read is not in the plan that is analysed. */
  private def stream(it: StreamingRelationV2): Known = {
    unknown += it.nodeName
    tables ++= nameOf(it.catalog, it.identifier)
    Map.empty
  }

  private def fileTable(it: LogicalRelation): Known = it.catalogTable match {
    case Some(found) =>
      val table = found.identifier.nameParts.map(quoteIfNeeded).mkString(".")
      tables += table
      placed(it.output.map(column => column -> Value(Set(Leaf(table, column.name)))))
    case None => Map.empty
  }

  /** See through a name; one that is not its table's own is a view's, which is read as well. */
  private def alias(it: SubqueryAlias, outer: Known): Known = {
    val below = follow(it.child, outer)
    if (isView(it)) viewed((it.identifier.qualifier :+ it.identifier.name), it.child.output, it.output, below) else below
  }

  private def view(it: View, outer: Known): Known = {
    val below = follow(it.child, outer)
    if (it.isTempView) below else viewed(it.desc.identifier.nameParts, it.child.output, it.output, below)
  }

  private def viewed(name: Seq[String], below: Seq[Attribute], output: Seq[Attribute], known: Known): Known = {
    val table = name.map(quoteIfNeeded).mkString(".")
    tables += table
    output.zip(below).map { case (column, made) =>
      val value = known.getOrElse(made.exprId, Value.Empty)
      column.exprId -> value.copy(leaves = value.leaves + Leaf(table, column.name), same = None)
    }.toMap
  }

  private def rows(output: Seq[Attribute]): Known = {
    val found = output.flatMap(it => remembered(it.exprId).map(it.exprId -> _))
    isOpaque |= found.size < output.size
    for ((_, kept) <- found) {
      deciding ++= kept.deciding
      tables ++= kept.tables
    }
    found.map { case (id, kept) => id -> kept.value }.toMap
  }

  private def united(it: Union, outer: Known): Known = {
    val sides = it.children.map(columns(_, outer))
    zipped(it.output, sides.transpose.map(each => if (each.size == 1) each.head else Value.any(each)))
  }

  /** A recursive query: what it begins with, which its other part goes on from until nothing is new. */
  private def loop(it: UnionLoop, outer: Known): Known = {
    var values = columns(it.anchor, outer)
    var before = Seq.empty[Value]
    while (values != before) {
      before = values
      loops(it.id) = values
      values = values.zip(columns(it.recursion, outer)).map { case (one, other) => one.or(other).copy(place = None) }
    }
    zipped(it.output, values)
  }

  private def joined(it: Join, outer: Known): Known = {
    val scope = reading(outer, it.left, it.right)
    named.see(it.condition, scope)
    deciding ++= scope.leaves(it.condition)
    scope.own
  }

  private def lateral(it: LateralJoin, outer: Known): Known = {
    val left = follow(it.left, outer)
    val right = columns(it.right.plan, outer ++ left)
    val scope = new ExpressionLineage(left ++ zipped(it.right.plan.output, right), outer, columns)
    named.see(it.condition, scope)
    deciding ++= scope.leaves(it.condition)
    scope.own
  }

  private def expanded(it: Expand, outer: Known): Known = {
    val scope = reading(it.child, outer)
    val items = it.projections.transpose
    // A column that each projection passes on stands in no list of the statement; others are of UNPIVOT.
    items.filter(_.distinct.size > 1).foreach(named.see(_, scope))
    it.output.zip(items).map { case (column, each) => column.exprId -> Value.any(each.map(scope.value)) }.toMap
  }

  private def merged(it: MergeRows, scope: ExpressionLineage): Known = {
    val instructions = it.matchedInstructions ++ it.notMatchedInstructions ++ it.notMatchedBySourceInstructions
    deciding ++= scope.leaves(instructions.map(_.condition))
    val rows = instructions.flatMap { each =>
      val isInsert = each match {
        case keep: MergeRows.Keep => keep.context.toString.startsWith("Insert")
        case _ => false
      }
      // A null that an UPDATE sets is a value; one in an INSERT stands for a column that it leaves out.
      each.outputs.map(_.map(scope.value).map(value => if (isInsert) value else value.copy(isNull = false)))
    }
    if (rows.isEmpty) scope.own
    else it.output.zip(rows.transpose).map { case (column, each) => column.exprId -> either(each) }.toMap
  }

  /** What a column is after a MERGE: unchanged only where no instruction gives it anything. */
  private def either(values: Seq[Value]): Value =
    Value.any(values.filterNot(it => it.isNull && it.leaves.isEmpty) match {
      case Nil => values
      case given => given
    })
}

object PlanLineage {

  /** Nodes that pass their input's columns on as they are, and choose among its rows by nothing that they name. */
  private val Transparent = Set(
    "CollectMetrics", "EventTimeWatermark", "GlobalLimit", "LocalLimit", "Offset", "OneRowRelation", "PipeOperator", "Range",
    "Repartition", "ResolvedHint", "ReturnAnswer", "Sample", "SQLFunctionNode", "Subquery", "Tail", "UpdateEventTimeWatermarkColumn")

  /** Nodes that run code: any column may come from any other below. */
  private val Code = Set(
    "AppendColumns", "AppendColumnsWithObject", "ArrowEvalPython", "ArrowEvalPythonUDTF", "AttachDistributedSequence",
    "BatchEvalPython", "BatchEvalPythonUDTF", "CoGroup", "FlatMapCoGroupsInArrow", "FlatMapCoGroupsInPandas",
    "FlatMapGroupsInArrow", "FlatMapGroupsInPandas", "FlatMapGroupsInR", "FlatMapGroupsInRWithArrow",
    "FlatMapGroupsWithState", "MapElements", "MapGroups", "MapInArrow", "MapInPandas", "MapPartitions",
    "MapPartitionsInR", "MapPartitionsInRWithArrow", "ScriptTransformation", "SerializeFromObject")

  /** Return the name of the table behind a relation, whichever of its branches or snapshots; nothing where it has none. */
  def tableOf(relation: DataSourceV2Relation): Option[String] = for {
    catalog <- relation.catalog
    identifier <- relation.identifier
  } yield {
    val parts = identifier.namespace.toSeq :+ identifier.name
    val whole = relation.table match {
      case it: SparkTable if parts.size > 2 && isSelector(it, parts.last) => parts.init
      case _ => parts
    }
    nameOf(catalog, whole)
  }

  /** Return a table's whole name. */
  def nameOf(catalog: Option[CatalogPlugin], identifier: Option[Identifier]): Option[String] = for {
    found <- catalog
    name <- identifier
  } yield nameOf(found, name.namespace.toSeq :+ name.name)

  private def nameOf(catalog: CatalogPlugin, parts: Seq[String]) = (catalog.name +: parts).map(quoteIfNeeded).mkString(".")

  private def isSelector(table: SparkTable, part: String) =
    (table.branch != null && part == s"branch_${table.branch}") ||
      (table.snapshotId != null && Seq("tag_", "snapshot_id_", "at_timestamp_").exists(part.startsWith))

  private def isAbout(relation: DataSourceV2Relation) = relation.table match {
    case it: SparkTable => it.table.isInstanceOf[BaseMetadataTable]
    case _ => false
  }

  /** Say whether an alias is the name of a view that Spark's own catalog does not hold. */
  def isView(alias: SubqueryAlias): Boolean = alias.identifier.qualifier.nonEmpty && (alias.child match {
    case _: DataSourceV2Relation | _: LogicalRelation | _: StreamingRelationV2 | _: View => false
    case _ => true
  })
}
