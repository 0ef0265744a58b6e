package dataflow.lineage

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths, StandardOpenOption}
import java.util.concurrent.{ConcurrentHashMap, ConcurrentLinkedQueue}

import scala.collection.mutable
import scala.util.control.NonFatal

import org.apache.spark.SparkConf
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.expressions.ExprId
import org.apache.spark.sql.catalyst.plans.logical.{Command, LogicalPlan}
import org.apache.spark.sql.catalyst.streaming.{StreamingRelationV2, WriteToStream}
import org.apache.spark.sql.dataflow.SparkInside
import org.apache.spark.sql.execution.QueryExecution
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation
import org.apache.spark.sql.util.QueryExecutionListener

/**
 * Reports each write and query of a session as a line of JSON.
 *
 * A plan that can't be followed is reported with its tables and the error.
 */
abstract class LineageListener extends QueryExecutionListener {
  private val kept = new java.util.LinkedHashMap[ExprId, CachedColumn] {
    override def removeEldestEntry(eldest: java.util.Map.Entry[ExprId, CachedColumn]): Boolean = size > 10000
  }
  private val seen = ConcurrentHashMap.newKeySet[String]

  /** Emit a line. */
  def emit(line: String): Unit

  /** Whether tables of analysed plans are reported as well. */
  def observesPlans: Boolean

  override def onSuccess(function: String, execution: QueryExecution, nanoseconds: Long): Unit = {
    val report = new LineageReport(id => kept.synchronized(Option(kept.get(id))))
    try {
      val plan = execution.analyzed
      report.add(plan, isAction = !plan.isInstanceOf[Command])
      Acceleration.of(execution).foreach(report.addNative)
      if (function.toLowerCase(java.util.Locale.ROOT).endsWith("checkpoint")) kept.synchronized {
        report.made.foreach { case (id, made) => kept.put(id, made) }
      }
      if (report.nonEmpty) emit(report.line)
    } catch {
      case error @ (NonFatal(_) | _: StackOverflowError | _: LinkageError) =>
        emit(LineageReport.failure(Option(execution).map(_.analyzed).orNull, error))
    }
  }

  override def onFailure(function: String, execution: QueryExecution, error: Exception): Unit = ()

  /** Report the tables of an analysed plan: it may be read in ways that no query shows, such as an RDD or a stream. */
  def observe(plan: LogicalPlan): Unit = if (observesPlans) {
    val tables = mutable.LinkedHashSet.empty[String]
    plan.foreach {
      case it: DataSourceV2Relation => tables ++= PlanLineage.tableOf(it)
      case it: StreamingRelationV2 => tables ++= PlanLineage.nameOf(it.catalog, it.identifier)
      case _ =>
    }
    val fresh = tables.filter(seen.add)
    if (fresh.nonEmpty) emit(LineageReport.seen(fresh))
    plan.foreach {
      case it: WriteToStream =>
        val target = it.catalogAndIdent.flatMap { case (catalog, name) => PlanLineage.nameOf(Some(catalog), Some(name)) }
        emit(LineageReport.stream(target, tables.toSeq))
      case _ =>
    }
  }
}

/** Passes each plan that a session analyses to the lineage listeners of the session. */
final class PlanObserver(session: SparkSession) extends (LogicalPlan => Unit) {
  override def apply(plan: LogicalPlan): Unit = SparkInside.listeners(session).foreach {
    case it: LineageListener => it.observe(plan)
    case _ =>
  }
}

/**
 * Listens to a session of a run, while its job works.
 *
 * @param observesPlans
 *   Whether user code has the session, which may read tables in ways that no query shows.
 */
final class SessionListener(session: SparkSession, val observesPlans: Boolean) extends LineageListener {
  private val lines = new ConcurrentLinkedQueue[String]

  override def emit(line: String): Unit = lines.add(line)

  /** Wait for all events, and return the lines since the last call. */
  def drain(): String = {
    SparkInside.awaitListeners(session.sparkContext)
    val taken = new StringBuilder
    var line = lines.poll()
    while (line != null) {
      taken.append(line).append('\n')
      line = lines.poll()
    }
    taken.toString
  }

  /** Stop listening. */
  def close(): Unit = session.listenerManager.unregister(this)
}

object SessionListener {
  def open(session: SparkSession, observesPlans: Boolean): SessionListener = {
    val listener = new SessionListener(session, observesPlans)
    session.listenerManager.register(listener)
    listener
  }
}

/**
 * Listens to a Spark that a program started itself: `spark.sql.queryExecutionListeners`.
 *
 * Its lines go to a file that is named by the application, in the folder of the setting `spark.dataflow.lineage`.
 */
final class FileListener(conf: SparkConf) extends LineageListener {
  private val file = Paths.get(conf.get(FileListener.Setting), s"${conf.get("spark.app.id")}.jsonl")

  override val observesPlans = true

  emit("{}") // shows that the listener was started

  override def emit(line: String): Unit = FileListener.synchronized {
    Files.write(file, s"$line\n".getBytes(UTF_8), StandardOpenOption.CREATE, StandardOpenOption.APPEND)
  }
}

object FileListener {
  val Setting = "spark.dataflow.lineage"
}
