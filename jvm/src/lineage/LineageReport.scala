package dataflow.lineage

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ArrayNode
import org.apache.iceberg.Table
import org.apache.iceberg.spark.source.SparkTable
import org.apache.spark.sql.catalyst.expressions.ExprId
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.util.{quoteIfNeeded, MetadataColumnHelper}
import org.apache.spark.sql.catalyst.analysis.ResolvedIdentifier
import org.apache.spark.sql.execution.datasources.v2.{DataSourceV2Relation, DataSourceV2ScanRelation}

/** The lineage of one execution, as a line of JSON. */
final class LineageReport(remembered: ExprId => Option[CachedColumn]) {
  import LineageReport._

  private val node = json.createObjectNode()

  /** Whether there is anything to report. */
  def nonEmpty: Boolean = !node.isEmpty

  /** The line. */
  def line: String = json.writeValueAsString(node)

  /** The lineage of the columns of a query, by their ids. */
  var made: Map[ExprId, CachedColumn] = Map.empty

  /** Add an analysed plan: its writes, else the columns that it references. */
  def add(plan: LogicalPlan, isAction: Boolean): LineageReport = {
    val (tops, definitions) = parts(plan)
    val writes = tops.flatMap(Write.of)
    if (writes.nonEmpty) writes.foreach(write(_, plan, definitions))
    else if (!plan.exists(it => it.isInstanceOf[CommandResult] || it.isInstanceOf[DataSourceV2ScanRelation])) {
      query(plan, isAction)
    }
    this
  }

  /** Add what an accelerator did of the plan. */
  def addNative(text: String): Unit = node.put("native", text)

  /** Add a plan whose columns could not be followed: its tables alone, and the error. */
  def addFailure(plan: Option[LogicalPlan], error: Throwable): LineageReport = {
    node.put("error", s"${error.getClass.getSimpleName}: ${error.getMessage}")
    plan.foreach(tables)
    this
  }

  /** Add the tables of a plan alone. */
  private def tables(plan: LogicalPlan): Unit = {
    val read = plan.collectWithSubqueries { case it: DataSourceV2Relation => PlanLineage.tableOf(it) }.flatten.distinct
    for (write <- parts(plan)._1.flatMap(Write.of)) {
      val found = list("writes").addObject().put("target", write.target)
      found.putArray("given")
      found.putArray("names")
      val flows = found.putArray("flows")
      read.filterNot(it => write.isOfRows && it == write.target).foreach(unknown(flows, _))
    }
    read.foreach(list("tables").add)
  }

  /** The writes in a plan, and the common table expressions around them. */
  private def parts(plan: LogicalPlan): (Seq[LogicalPlan], Seq[CTERelationDef]) = plan match {
    case WithCTE(inner, definitions) => (parts(inner)._1, definitions)
    case it: Union if it.children.forall(Write.of(_).nonEmpty) => (it.children, Nil) // a multiple insert
    case it => (Seq(it), Nil)
  }

  private def write(write: Write, plan: LogicalPlan, definitions: Seq[CTERelationDef]): Unit = {
    val lineage = new PlanLineage(statement(plan, write.query), remembered)
    definitions.foreach(lineage.columns(_))
    val pairs = write.pairs(lineage.columns(write.query))
    val (own, flows) = (pairs.flatMap { case (column, value) => value.leaves.map(_ -> column) } ++
      lineage.deciding.map(_.copy(decides = true) -> "")).distinct
      .partition { case (leaf, _) => write.isOfRows && leaf.table == write.target }
    val found = list("writes").addObject().put("target", write.target)
    val into = found.putArray("flows")
    for (table <- lineage.tables if !write.isOfRows || table != write.target) {
      flow(into, table, "", "", decides = false)
      if (lineage.unknown.nonEmpty) unknown(into, table)
    }
    for ((leaf, column) <- flows) flow(into, leaf.table, leaf.column, column, leaf.decides)
    val valued = found.putArray("given")
    for ((column, value) <- pairs if write.gives(column, value)) valued.add(column)
    val names = named(lineage).filterNot(it => write.isOfRows && it._1 == write.target) ++
      own.collect { case (leaf, into) if leaf.column != into && lineage.maySay(leaf.column) => (leaf.table, leaf.column) }
    spell(found.putArray("names"), names.distinct)
    if (lineage.unknown.nonEmpty) {
      node.put("error", s"columns can't be followed through ${lineage.unknown.mkString(", ")}")
    }
    if (lineage.isOpaque) found.put("opaque", true)
    for ((table, relation) <- lineage.relations; snapshot = snapshotOf(relation)) {
      val read = list("reads").addArray().add(write.target).add(table)
      read.add(snapshot.map(_.sequenceNumber).getOrElse(0L)).add(snapshot.map(_.snapshotId).getOrElse(0L))
    }
    lineage.tables.foreach(list("tables").add)
  }

  private def query(plan: LogicalPlan, isAction: Boolean): Unit = {
    val inside = plan match {
      case it: Command => (it.children ++ it.innerChildren).collect { case child: LogicalPlan => child }
      case it => Seq(it)
    }
    val lineage = new PlanLineage(statement(plan, inside: _*), remembered)
    val columns = inside.flatMap(it => it.output.map(_.exprId).zip(lineage.columns(it)))
    made = columns.map { case (id, value) => id -> CachedColumn(value, lineage.deciding.toSet, lineage.tables.toSet) }.toMap
    val names = named(lineage)
    spell(list("names"), names)
    lineage.tables.foreach(list("tables").add)
    if (isAction) {
      val said = names.toSet
      val whole = columns.flatMap(_._2.leaves).map(it => (it.table, it.column)).filterNot(said).map(_._1)
      whole.distinct.foreach(list("collected").add)
    }
  }

  private def statement(plan: LogicalPlan, queries: LogicalPlan*) = {
    val views = queries.exists(_.collectWithSubqueries {
      case it: View => it
      case it: SubqueryAlias if PlanLineage.isView(it) => it
    }.nonEmpty)
    new Statement(if (views) "" else asked(plan).origin.sqlText.getOrElse(""))
  }

  /** The query below the limit that a script adds only to trigger the listener. */
  private def asked(plan: LogicalPlan): LogicalPlan = plan match {
    case GlobalLimit(_, child) => asked(child)
    case LocalLimit(_, child) => asked(child)
    case it => it
  }

  private def named(lineage: PlanLineage): Seq[(String, String)] = {
    val leaves = lineage.named.found ++ lineage.deciding
    leaves.toSeq
      .filter(it => !lineage.about(it.table) && lineage.maySay(it.column))
      .map(it => (it.table, it.column)).distinct
  }

  private def list(name: String): ArrayNode = node.withArray(name)

  private def spell(into: ArrayNode, pairs: Iterable[(String, String)]): Unit =
    pairs.foreach { case (table, column) => into.addArray().add(table).add(column) }

  private def unknown(into: ArrayNode, table: String): Unit = {
    flow(into, table, "", "", decides = false)
    flow(into, table, Unknown, "", decides = false)
  }

  private def flow(into: ArrayNode, table: String, column: String, target: String, decides: Boolean): Unit =
    into.addArray().add(table).add(column).add(target).add(decides)
}

object LineageReport {

  /** Stands for the columns of a table where it is unknown which of them are read. */
  val Unknown = "*"

  private val json = new ObjectMapper

  /** Return the snapshot of an Iceberg relation as it was resolved: later commits are not in it. */
  private def snapshotOf(relation: DataSourceV2Relation) = relation.table match {
    case it: SparkTable =>
      val table: Table = it.table
      Option(
        if (it.snapshotId != null) table.snapshot(it.snapshotId)
        else if (it.branch != null) table.snapshot(it.branch)
        else table.currentSnapshot)
    case _ => None
  }

  /** Return the line of a plan that could not be followed: its tables with unknown columns, and the error. */
  def failure(plan: LogicalPlan, error: Throwable): String =
    new LineageReport(_ => None).addFailure(Option(plan), error).line

  /** Return the tables of a stream that starts: the columns of its micro-batches are not observed. */
  def stream(target: Option[String], sources: Seq[String]): String = {
    val node = json.createObjectNode()
    for (table <- target) {
      val write = node.withArray("writes").addObject().put("target", table)
      write.putArray("given")
      write.putArray("names")
      val flows = write.putArray("flows")
      for (source <- sources; column <- Seq("", Unknown)) flows.addArray().add(source).add(column).add("").add(false)
    }
    json.writeValueAsString(node)
  }

  /** Return tables that were looked at; whether a query read them is known later. */
  def seen(tables: Iterable[String]): String = {
    val node = json.createObjectNode()
    val list = node.putArray("seen")
    tables.foreach(list.add)
    json.writeValueAsString(node)
  }
}

/**
 * A write of a query's rows into a table.
 *
 * @param columns
 *   The table's own, where it was there before.
 * @param isOfRows
 *   Whether it is MERGE, UPDATE or DELETE, which read their own target's rows to write them again.
 */
final case class Write(target: String, columns: Option[Seq[String]], query: LogicalPlan, isOfRows: Boolean) {

  /** Pair the table's columns with what goes into them: by position, or by name where the query brings more. */
  def pairs(values: Seq[Value]): Seq[(String, Value)] = {
    val brought = query.output.map(_.name).zip(values)
    columns match {
      case None => brought
      case Some(own) if isOfRows =>
        own.flatMap(column => brought.find(_._1.equalsIgnoreCase(column)).map(it => column -> it._2))
      case Some(own) => own.zip(values)
    }
  }

  /** Return whether it assigns a column; a null for a column that an INSERT omits does not count. */
  def gives(column: String, value: Value): Boolean =
    if (isOfRows) !value.same.contains((target, column)) && !(value.isNull && value.leaves.isEmpty && inserts)
    else !value.isNull || value.leaves.nonEmpty

  private lazy val inserts = query.exists(it => it.isInstanceOf[MergeRows] || it.isInstanceOf[Join])
}

object Write {

  /** Return whether an append is the rest of a MERGE, which reads the target that it writes. */
  private def isMerge(query: LogicalPlan, target: DataSourceV2Relation) = query.exists {
    case _: MergeRows => true
    case it: DataSourceV2Relation => it.output.map(_.exprId) == target.output.map(_.exprId)
    case _ => false
  }

  def of(plan: LogicalPlan): Option[Write] = plan match {
    case it: V2WriteCommand => it.table match {
      case table: DataSourceV2Relation =>
        val columns = table.output.filterNot(_.isMetadataCol).map(_.name)
        val isOfRows = it.isInstanceOf[RowLevelWrite] || isMerge(it.query, table)
        PlanLineage.tableOf(table).map(Write(_, Some(columns), it.query, isOfRows))
      case _ => None
    }
    case it: V2CreateTableAsSelectPlan => it.name match {
      case ResolvedIdentifier(catalog, identifier) =>
        val parts = catalog.name +: identifier.namespace.toSeq :+ identifier.name
        Some(Write(parts.map(quoteIfNeeded).mkString("."), None, it.query, isOfRows = false))
      case _ => None
    }
    case _ => None
  }
}
