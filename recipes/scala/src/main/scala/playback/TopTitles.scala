package playback

import java.time.LocalDate

import org.apache.spark.sql.expressions.Window
import org.apache.spark.sql.functions._
import org.apache.spark.sql.{DataFrame, SparkSession}

/** The 100 most watched titles of each country on one day.
  *
  * Dataflow calls `run` with the parameters of the definition. Without it, the same jar runs in
  * Spark, and takes them as arguments:
  *
  * {{{
  * spark-submit --class playback.TopTitles <jar> \
  *   EXECUTION_DATE=2026-01-31 SOURCE_TABLE=... TARGET_TABLE=...
  * }}}
  */
object TopTitles {
  private val Top = 100

  /** Computes the day EXECUTION_DATE of SOURCE_TABLE and writes it to TARGET_TABLE. */
  def run(spark: SparkSession, args: Map[String, String]): Unit = {
    def argument(name: String): String =
      args.getOrElse(name, throw new IllegalArgumentException(s"the argument $name is missing"))

    val day = LocalDate.parse(argument("EXECUTION_DATE"))
    val viewing = readSourceTable(spark, argument("SOURCE_TABLE"), day)
      .transform(viewingByTitleCountry)
      .transform(addTitleRank)
      .transform(keepTopTitles)
    writeViewing(viewing, argument("TARGET_TABLE"), day)
  }

  /** Reads what was played on one day. */
  def readSourceTable(spark: SparkSession, table: String, day: LocalDate): DataFrame =
    spark.table(table).where(col("date") === lit(day))

  /** Sums the hours watched per title and country.
    *
    * Rows without a title, or without hours, are players that were opened and left.
    */
  def viewingByTitleCountry(source: DataFrame): DataFrame =
    source
      .where(col("title_id").isNotNull && col("view_hours") > 0)
      .groupBy("title_id", "country_code")
      // A sum of doubles depends on the order of summation, which differs from run to run.
      // Rounding makes equal sums equal, so that ties stay ties.
      .agg(round(sum("view_hours"), 6).as("view_hours"))

  /** Ranks the titles of each country, most watched first.
    *
    * Titles with equal hours share a rank, and the next rank is skipped: 1, 2, 2, 4.
    */
  def addTitleRank(viewing: DataFrame): DataFrame = {
    val byHours = Window.partitionBy("country_code").orderBy(desc("view_hours"))
    viewing.withColumn("title_rank", rank().over(byHours))
  }

  /** Keeps the best ranks: more than 100 rows where titles share the last one. */
  def keepTopTitles(ranked: DataFrame): DataFrame =
    ranked.where(col("title_rank") <= Top)

  /** Replaces one day of a table, however often it runs. */
  def writeViewing(viewing: DataFrame, table: String, day: LocalDate): Unit =
    viewing
      .select(
        col("title_id"),
        col("country_code"),
        col("title_rank"),
        col("view_hours"),
        lit(day).as("date")
      )
      .writeTo(table)
      .overwrite(col("date") === lit(day))

  def main(args: Array[String]): Unit = {
    val byName = args.map { argument =>
      argument.split("=", 2) match {
        case Array(name, value) => name -> value
        case _ => throw new IllegalArgumentException(s"$argument is not NAME=VALUE")
      }
    }.toMap
    val spark = SparkSession.builder().getOrCreate()
    try run(spark, byName)
    finally spark.stop()
  }
}
