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
 * Hears what is executed in a session, and tells of each write and query by a line of JSON.
 *
 * Nothing is swallowed: of a plan that can't be followed the tables are told, and why.
 */
abstract class LineageListener extends QueryExecutionListener {
  private val kept = new java.util.LinkedHashMap[ExprId, Kept] {
    override def removeEldestEntry(eldest: java.util.Map.Entry[ExprId, Kept]): Boolean = size > 10000
  }
  private val seen = ConcurrentHashMap.newKeySet[String]

  /** Take a line. */
  def tell(line: String): Unit

  /** Whether what is only looked at is told as well. */
  def isWatchful: Boolean

  override def onSuccess(function: String, execution: QueryExecution, nanoseconds: Long): Unit = {
    val told = new Told(id => kept.synchronized(Option(kept.get(id))))
    try {
      val plan = execution.analyzed
      told.take(plan, isAction = !plan.isInstanceOf[Command])
      if (function.toLowerCase(java.util.Locale.ROOT).endsWith("checkpoint")) kept.synchronized {
        told.made.foreach { case (id, made) => kept.put(id, made) }
      }
      if (told.isAnything) tell(told.line)
    } catch {
      case error @ (NonFatal(_) | _: StackOverflowError | _: LinkageError) =>
        tell(Told.despaired(Option(execution).map(_.analyzed).orNull, error))
    }
  }

  override def onFailure(function: String, execution: QueryExecution, error: Exception): Unit = ()

  /** Take in a plan that is analysed, and may be read in ways that nobody hears of, such as an RDD or a stream. */
  def look(plan: LogicalPlan): Unit = if (isWatchful) {
    val tables = mutable.LinkedHashSet.empty[String]
    plan.foreach {
      case it: DataSourceV2Relation => tables ++= PlanLineage.tableOf(it)
      case it: StreamingRelationV2 => tables ++= PlanLineage.nameOf(it.catalog, it.identifier)
      case _ =>
    }
    val fresh = tables.filter(seen.add)
    if (fresh.nonEmpty) tell(Told.seen(fresh))
    plan.foreach {
      case it: WriteToStream =>
        val target = it.catalogAndIdent.flatMap { case (catalog, name) => PlanLineage.nameOf(Some(catalog), Some(name)) }
        tell(Told.stream(target, tables.toSeq))
      case _ =>
    }
  }
}

/** Looks at each plan that a session analyses, for the listeners of ours that the session has. */
final class Looking(session: SparkSession) extends (LogicalPlan => Unit) {
  override def apply(plan: LogicalPlan): Unit = SparkInside.listeners(session).foreach {
    case it: LineageListener => it.look(plan)
    case _ =>
  }
}

/**
 * Hears a session of ours, for as long as its job works.
 *
 * @param isWatchful
 *   Whether it is one that people's code has, where reading may take ways that are not heard.
 */
final class SessionListener(session: SparkSession, val isWatchful: Boolean) extends LineageListener {
  private val lines = new ConcurrentLinkedQueue[String]

  override def tell(line: String): Unit = lines.add(line)

  /** Wait until Spark has told all, and return the lines since the last time. */
  def take(): String = {
    SparkInside.settle(session.sparkContext)
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
  def open(session: SparkSession, isWatchful: Boolean): SessionListener = {
    val listener = new SessionListener(session, isWatchful)
    session.listenerManager.register(listener)
    listener
  }
}

/**
 * Hears a Spark that a program started by itself: `spark.sql.queryExecutionListeners`.
 *
 * Its lines go to a file that is named by the application, in the folder of the setting `spark.dataflow.lineage`.
 */
final class FileListener(conf: SparkConf) extends LineageListener {
  private val file = Paths.get(conf.get(FileListener.Setting), s"${conf.get("spark.app.id")}.jsonl")

  override val isWatchful = true

  tell("{}") // that it is there at all

  override def tell(line: String): Unit = FileListener.synchronized {
    Files.write(file, s"$line\n".getBytes(UTF_8), StandardOpenOption.CREATE, StandardOpenOption.APPEND)
  }
}

object FileListener {
  val Setting = "spark.dataflow.lineage"
}
