package playback

import java.nio.file.{Files, Path}
import java.util.{List => JList, Map => JMap}

import scala.jdk.CollectionConverters._
import scala.util.Using
import scala.util.control.NonFatal

import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types.{DataType, StringType, StructField, StructType}
import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.yaml.snakeyaml.Yaml

/** Small tables, kept as YAML in `src/mocks`.
  *
  * A file has `columns`, a mapping of names to Spark types, and `rows`: lists in the order of the
  * columns, or mappings by column. Arrays, maps and structs are not read.
  */
object Mocks {
  def read(spark: SparkSession, file: Path): DataFrame =
    try
      Using.resource(Files.newBufferedReader(file))(new Yaml().load[Any](_)) match {
        case mock: JMap[_, _] =>
          val schema = schemaOf(mock.get("columns"))
          toDataFrame(spark, schema, rowsOf(mock.get("rows"), schema))
        case _ => sys.error("a mock is a mapping with 'columns' and 'rows'")
      }
    catch {
      case NonFatal(error) =>
        throw new IllegalArgumentException(s"$file: ${error.getMessage}", error)
    }

  private def schemaOf(columns: Any): StructType = columns match {
    case types: JMap[_, _] =>
      StructType(types.asScala.toSeq.map { case (name, sqlType) =>
        StructField(name.toString, DataType.fromDDL(sqlType.toString))
      })
    case _ => sys.error("'columns' is a mapping of names to Spark types")
  }

  private def rowsOf(rows: Any, schema: StructType): Seq[Row] = rows match {
    case list: JList[_] =>
      list.asScala.toSeq.map {
        case values: JList[_] if values.size == schema.size => Row.fromSeq(values.asScala.toSeq)
        case byColumn: JMap[_, _] => Row.fromSeq(schema.fieldNames.toSeq.map(byColumn.get))
        case other => sys.error(s"$other is not a row of ${schema.fieldNames.mkString(", ")}")
      }
    case _ => sys.error("'rows' is a list of rows")
  }

  /** Takes each value as text, and lets Spark cast it. */
  private def toDataFrame(spark: SparkSession, schema: StructType, rows: Seq[Row]): DataFrame = {
    val texts = rows.map(row => Row.fromSeq(row.toSeq.map(Option(_).map(_.toString).orNull)))
    val textSchema = StructType(schema.map(_.copy(dataType = StringType)))
    val typed = spark
      .createDataFrame(texts.asJava, textSchema)
      .select(schema.map(field => col(field.name).cast(field.dataType).as(field.name)): _*)
    // Cast here and now, so that a bad value is an error of this file.
    spark.createDataFrame(typed.collectAsList(), schema)
  }
}
