package dataflow.guard

import java.nio.file.{Files, Path, StandardOpenOption}
import java.util.UUID
import java.util.concurrent.{ConcurrentHashMap, ConcurrentLinkedQueue}

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import org.apache.iceberg.exceptions.CleanableFailure
import org.apache.spark.SparkEnv
import org.apache.spark.sql.SparkSession

/** A write that a session may not make. Cleanable: Iceberg then deletes the files that were written for it. */
class WriteRefused(message: String, val hint: String)
    extends RuntimeException(s"$message; $hint")
    with CleanableFailure {

  /** The message without the way out. */
  val reason: String = message
}

/**
 * What a session may write; reading is free.
 *
 * @param reach
 *   How far: all, one database (or any, where none is named) or one table on one branch, or nothing.
 * @param catalog
 *   The only catalog that may be written.
 * @param environment
 *   What to call the environment in a refusal.
 * @param packageId
 *   The uuid of the package that writes; tables that carry another's are refused. Nothing to tell none from another.
 * @param exports
 *   Folders and formats that may be written beside tables.
 * @param closed
 *   Folders that are never written by path, exported or not.
 * @param notes
 *   The file that keeps what was refused, a line each, for whoever started this Spark; nothing where it can ask.
 */
final case class Scope(
    reach: Reach,
    catalog: String = "",
    environment: String = "",
    packageId: Option[String] = None,
    exports: Seq[String] = Nil,
    closed: Seq[String] = Nil,
    notes: Option[Path] = None) {
  private val refused = new ConcurrentLinkedQueue[WriteRefused]
  @volatile private var over = false

  /** Whether nothing is held back: the engine's own sessions. */
  def isOpen: Boolean = reach == All

  /** End the scope: what its job left running writes nothing any more. */
  def end(): Unit = over = true

  def isOver: Boolean = over

  /** Return what was refused so far, each as message and way out, whatever the code made of it. */
  def refusals: Array[Array[String]] = refused.asScala.map(it => Array(it.reason, it.hint)).toArray

  /** Note a refusal and return it, to be thrown. */
  def refuse(message: String, hint: String): WriteRefused = {
    val refusal = new WriteRefused(message, hint)
    refused.add(refusal)
    notes.foreach { file =>
      val line = Scopes.json.writeValueAsString(Array(message, hint)) + "\n"
      Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND)
    }
    refusal
  }
}

sealed trait Reach
case object All extends Reach
final case class Nothing_(reason: String, hint: String) extends Reach

/** @param name The database in parts, or nothing for any. */
final case class Database(name: Option[Seq[String]]) extends Reach

/**
 * @param name
 *   The table with its database, in parts.
 * @param keepsExisting
 *   Whether the job works on the rows that are there: else what it does not write goes.
 */
final case class OneTable(name: Seq[String], branch: String, keepsExisting: Boolean) extends Reach

/**
 * The scopes of this JVM, each known by a random token that a session carries as a setting.
 *
 * A setting can be set by whoever has the session; the token names an entry and says nothing, so that setting another
 * one, or none, only narrows. A session without a known token has the scope that its Spark was launched with: that
 * of the variable `DATAFLOW_SCOPE`, which no code in the JVM can change, else of the Spark context's setting, which is
 * fixed once the context is there; else it reads.
 */
object Scopes {

  /** The setting with the token, in a session, or with a scope as JSON, in a Spark context. */
  val Setting = "spark.dataflow.scope"
  val Variable = "DATAFLOW_SCOPE"

  private[guard] val json = new ObjectMapper
  private val granted = new ConcurrentHashMap[String, Scope]
  private val closed = Nothing_(
    "this session has not been given anything to write",
    "write with the session that main(args, spark) or run(spark, args) is given")

  /**
   * Give a session a scope, before anything else is done in it.
   *
   * @param scope
   *   The scope as JSON.
   * @return
   *   The token that the session carries for it.
   */
  def open(session: SparkSession, scope: String): String = {
    val token = UUID.randomUUID.toString
    val granting = parse(scope)
    granted.put(token, granting)
    session.conf.set(Setting, token)
    for ((key, value) <- session.sparkContext.getConf.getAll if value == classOf[GuardedCatalog].getName)
      session.conf.set(s"$key.scope", token)
    settle(session, granting)
    token
  }

  /**
   * Have the session look its scope up now: what becomes of its settings later does not matter then, nor in which
   * session its catalog is first asked for. Spark makes a catalog from the settings of whichever session is active.
   */
  private def settle(session: SparkSession, scope: Scope): Unit = {
    val before = SparkSession.getActiveSession
    SparkSession.setActiveSession(session)
    try {
      session.sessionState.analyzer
      val catalogs = session.sessionState.catalogManager
      if (scope.catalog.isEmpty) catalogs.currentCatalog else catalogs.catalog(scope.catalog)
    } finally before.fold(SparkSession.clearActiveSession())(SparkSession.setActiveSession)
  }

  /** Return the scope behind a token, for what was refused in it. */
  def of(token: String): Scope = Option(token).flatMap(it => Option(granted.get(it))).getOrElse(launched)

  /** End the scope behind a token. */
  def end(token: String): Unit = Option(granted.remove(token)).foreach(_.end())

  private def launched: Scope = {
    val launch = sys.env.get(Variable).orElse(Option(SparkEnv.get).flatMap(_.conf.getOption(Setting)))
    launch.filter(_.startsWith("{")).map(it => launchedScopes.computeIfAbsent(it, parse(_))).getOrElse(nothing)
  }
  private val launchedScopes = new ConcurrentHashMap[String, Scope]
  private val nothing = Scope(closed)

  private def parse(text: String): Scope = {
    val node = json.readTree(text)
    def string(key: String) = Option(node.get(key)).filterNot(_.isNull).map(_.asText)
    def strings(key: String): Seq[String] = Option(node.get(key)).map(elements).getOrElse(Nil)
    val reach = string("reach") match {
      case Some("all") => All
      case Some("database") => Database(Option(node.get("database")).filterNot(_.isNull).map(elements))
      case Some("table") => OneTable(strings("table"), string("branch").get, node.path("keep").asBoolean)
      case _ => Nothing_(string("reason").getOrElse(closed.reason), string("hint").getOrElse(closed.hint))
    }
    Scope(
      reach,
      string("catalog").getOrElse(""),
      string("environment").getOrElse(""),
      string("package"),
      strings("exports"),
      strings("closed"),
      string("notes").map(Path.of(_)))
  }

  private def elements(node: JsonNode): Seq[String] = node.elements.asScala.map(_.asText).toSeq
}
