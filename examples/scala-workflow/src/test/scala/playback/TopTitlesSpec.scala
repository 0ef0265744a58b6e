package playback

import java.nio.file.{Files, Path}

import dataflow.Mocks
import org.apache.spark.sql.DataFrame
import org.scalatest.flatspec.AnyFlatSpec
import org.scalatest.matchers.should.Matchers

/** Each step on a handful of rows, then all of them on tables made of mocks. */
class TopTitlesSpec extends AnyFlatSpec with Matchers with RowMatchers with SparkTests {
  import spark.implicits._

  private val sourceMock = "src/mocks/dataflow_demo.playback.yaml"
  private val expectedMock = "src/mocks/scala_workflow_results.yaml"
  private val ddl = "ddl/scala_workflow_results.sql"

  "viewingByTitleCountry" should "sum hours per title and country" in {
    val source = Seq((1, "US", 1.5), (1, "US", 2.0), (1, "BR", 4.0), (2, "US", 8.0))
      .toDF("title_id", "country_code", "view_hours")

    val viewing = TopTitles.viewingByTitleCountry(source).as[(Int, String, Double)]

    viewing.collect() should contain theSameElementsAs
      Seq((1, "BR", 4.0), (1, "US", 3.5), (2, "US", 8.0))
  }

  it should "not count rows without a title or without hours" in {
    val source = Seq((None, "US", 8.0), (Some(1), "US", 0.0), (Some(1), "US", -1.0))
      .toDF("title_id", "country_code", "view_hours")

    TopTitles.viewingByTitleCountry(source).collect() shouldBe empty
  }

  "addTitleRank" should "let equal hours share a rank and skip the next" in {
    val hours = Seq((1, "US", 4.0), (2, "US", 9.0), (3, "US", 4.0), (4, "US", 1.0), (1, "BR", 1.0))
    val viewing = hours.toDF("title_id", "country_code", "view_hours")

    val ranked = TopTitles
      .addTitleRank(viewing)
      .select("country_code", "title_rank", "title_id")
      .as[(String, Int, Int)]

    ranked.collect() should contain theSameElementsAs
      Seq(("BR", 1, 1), ("US", 1, 2), ("US", 2, 1), ("US", 2, 3), ("US", 4, 4))
  }

  "keepTopTitles" should "leave out ranks after the hundredth" in {
    val ranked = Seq(99, 100, 101).toDF("title_rank")

    TopTitles.keepTopTitles(ranked).as[Int].collect() should contain theSameElementsAs Seq(99, 100)
  }

  "run" should "write the top titles of each day" in {
    writeDays("2026-01-30", "2026-01-31") should haveTheRowsOf(expected)
  }

  it should "change neither a day nor others by writing it again" in {
    writeDays("2026-01-31", "2026-01-30", "2026-01-31") should haveTheRowsOf(expected)
  }

  it should "name an argument that is missing" in {
    val error = the[IllegalArgumentException] thrownBy
      TopTitles.run(spark, Map("EXECUTION_DATE" -> "2026-01-31", "TARGET_TABLE" -> "results"))

    error should have message "the argument SOURCE_TABLE is missing"
  }

  private def expected: DataFrame = Mocks.read(spark, Path.of(expectedMock))

  /** Runs some days one after the other, on a new table. */
  private def writeDays(days: String*): DataFrame = {
    Mocks.read(spark, Path.of(sourceMock)).createOrReplaceTempView("source")
    spark.sql("DROP TABLE IF EXISTS results")
    spark.sql(Files.readString(Path.of(ddl)).replace("${TARGET_TABLE}", "results"))

    val tables = Map("SOURCE_TABLE" -> "source", "TARGET_TABLE" -> "results")
    days.foreach(day => TopTitles.run(spark, tables + ("EXECUTION_DATE" -> day)))
    spark.table("results")
  }
}
