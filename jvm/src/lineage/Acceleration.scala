package dataflow.lineage

import scala.util.control.NonFatal

import org.apache.spark.sql.ExtendedExplainGenerator
import org.apache.spark.sql.execution.{QueryExecution, SparkPlan}
import org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanExec

/** What an accelerator of Spark's plans did of a query, as it says itself; nothing where none is at work. */
object Acceleration {
  private val Plugins = "spark.plugins"
  private val Comet = "org.apache.spark.CometPlugin"
  private val Info = "org.apache.comet.ExtendedExplainInfo"

  /** Return the plan with its operators, those that fell back with the reason; None where there is nothing to tell. */
  def of(execution: QueryExecution): Option[String] = try {
    val session = execution.sparkSession
    val isThere = session.sparkContext.getConf.get(Plugins, "").split(",").exists(_.trim == Comet)
    if (isThere && session.conf.get("spark.comet.enabled", "true").toBoolean) {
      val loader = Thread.currentThread.getContextClassLoader
      val info = Class.forName(Info, true, loader).getDeclaredConstructor().newInstance()
      Some(info.asInstanceOf[ExtendedExplainGenerator].generateExtendedInfo(whole(execution.executedPlan)))
        .filter(_.nonEmpty)
    } else None
  } catch {
    case NonFatal(_) | _: LinkageError => None // an account of what was done must not fail what was done
  }

  private def whole(plan: SparkPlan): SparkPlan = plan match {
    case it: AdaptiveSparkPlanExec => it.executedPlan
    case it => it
  }
}
