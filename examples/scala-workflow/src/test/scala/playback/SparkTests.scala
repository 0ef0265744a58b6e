package playback

import java.nio.file.Files

import org.apache.hadoop.fs.FileUtil
import org.apache.spark.sql.SparkSession

/** A local Spark session that all tests share, with Iceberg tables in a temporary folder. */
trait SparkTests {
  lazy val spark: SparkSession = SparkTests.session
}

object SparkTests {
  private lazy val session: SparkSession = {
    val warehouse = Files.createTempDirectory("warehouse")
    sys.addShutdownHook(FileUtil.fullyDelete(warehouse.toFile))

    SparkSession
      .builder()
      .master("local[2]")
      .config("spark.sql.catalog.test", "org.apache.iceberg.spark.SparkCatalog")
      .config("spark.sql.catalog.test.type", "hadoop")
      .config("spark.sql.catalog.test.warehouse", warehouse.toString)
      .config("spark.sql.defaultCatalog", "test")
      .config("spark.sql.session.timeZone", "UTC")
      .config("spark.sql.shuffle.partitions", 1)
      .config("spark.ui.enabled", false)
      .getOrCreate()
  }
}
