package org.apache.spark.sql.dataflow

import org.apache.spark.SparkContext
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.util.QueryExecutionListener

/** What Spark shows to its own packages alone. */
object SparkInside {
  private val Patience = 60000L

  /** Wait until all events so far were delivered to listeners. */
  def awaitListeners(context: SparkContext): Unit = context.listenerBus.waitUntilEmpty(Patience)

  /** Return the listeners that a session has. */
  def listeners(session: SparkSession): Array[QueryExecutionListener] = session.listenerManager.listListeners()
}
