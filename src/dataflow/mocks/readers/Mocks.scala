package dataflow

import java.io.Reader
import java.nio.file.{Files, Path}
import java.util.HexFormat

import scala.jdk.CollectionConverters._
import scala.util.Using
import scala.util.control.NonFatal

import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types._
import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.yaml.snakeyaml.DumperOptions.ScalarStyle.PLAIN
import org.yaml.snakeyaml.Yaml
import org.yaml.snakeyaml.nodes.{MappingNode, Node, ScalarNode, SequenceNode}

/** Reads mocks: small tables, kept as YAML in `src/mocks`. Any command of Dataflow writes this file
  * anew; who takes its line out of `.gitignore` keeps it.
  *
  * A file has `columns`, a mapping of names to Spark types, and `rows`: lists in the order of the
  * columns, or mappings by column. To SnakeYAML, NO is false and 12:30 is 750: so each value is
  * taken as it is written, numbers and booleans without quotes, all else in them.
  */
object Mocks {
  private val Number = raw"-?(0|[1-9]\d*)(\.\d+([eE][-+]\d+)?)?|-?\.inf|\.nan".r

  def read(spark: SparkSession, file: Path): DataFrame =
    try Using.resource(Files.newBufferedReader(file))(read(spark, _))
    catch {
      case NonFatal(error) =>
        throw new IllegalArgumentException(s"$file: ${error.getMessage}", error)
    }

  private def read(spark: SparkSession, text: Reader): DataFrame = {
    val mock = entries(new Yaml().compose(text)).toMap
    val schema = StructType(entries(mock("columns")).map { case (name, sqlType) =>
      StructField(name, DataType.fromDDL(scalar(sqlType).getValue))
    })
    val rows = items(mock("rows")).map(row(_, schema))
    val cells = schema.map(field => col(s"`${field.name}`").cast(field.dataType).as(field.name))
    val typed = spark.createDataFrame(rows.asJava, asText(schema)).select(cells: _*)
    // Cast here and now, so that a bad value is an error of this file.
    spark.createDataFrame(typed.collectAsList(), schema)
  }

  private def row(node: Node, schema: StructType): Row = node match {
    case list: SequenceNode if list.getValue.size == schema.size =>
      Row.fromSeq(items(list).zip(schema).map { case (cell, field) => value(cell, field.dataType) })
    case byName: MappingNode => struct(byName, schema)
    case _ => wrong(node, s"a row has a value for each of ${schema.fieldNames.mkString(", ")}")
  }

  /** What is left out is null. */
  private def struct(node: Node, schema: StructType): Row = {
    val found = entries(node)
    found.filterNot { case (name, _) => schema.fieldNames.contains(name) }.foreach {
      case (name, at) => wrong(at, s"there is no field $name")
    }
    Row.fromSeq(schema.map { field =>
      found.collectFirst { case (field.name, cell) => value(cell, field.dataType) }.orNull
    })
  }

  /** A value as text, wherever it lies: Spark casts it to its type. */
  private def value(node: Node, dataType: DataType): Any = (node, dataType) match {
    case (cell: ScalarNode, _) if isPlain(cell) && cell.getValue == "null" => None.orNull
    case (list: SequenceNode, ArrayType(element, _)) => items(list).map(value(_, element))
    case (map: MappingNode, MapType(_, element, _))  =>
      entries(map).map { case (key, cell) => key -> value(cell, element) }.toMap
    case (fields: MappingNode, schema: StructType) => struct(fields, schema)
    case (cell: ScalarNode, simple)                => text(cell, simple)
    case _                                         => wrong(node, s"this is no ${dataType.sql}")
  }

  private def text(cell: ScalarNode, dataType: DataType): Any = (dataType, cell.getValue) match {
    case (_: DecimalType, number @ Number(_*))                     => number
    case (_: NumericType, number @ Number(_*)) if isPlain(cell)    => sparkNumber(number)
    case (BooleanType, word @ ("true" | "false")) if isPlain(cell) => word
    case (_: NumericType | BooleanType, other) => wrong(cell, s"$other is no ${dataType.sql}")
    case (_, other) if isPlain(cell)           => wrong(cell, s"$other needs quotes")
    case (BinaryType, hex)                     => HexFormat.of().parseHex(hex)
    case (_, word)                             => word
  }

  private def sparkNumber(yaml: String): String = yaml.replace(".inf", "inf").replace(".nan", "nan")

  private def asText(dataType: DataType): DataType = dataType match {
    case ArrayType(element, nulls)    => ArrayType(asText(element), nulls)
    case MapType(key, element, nulls) => MapType(asText(key), asText(element), nulls)
    case schema: StructType           => asText(schema)
    case BinaryType                   => BinaryType
    case _                            => StringType
  }

  private def asText(schema: StructType): StructType =
    StructType(schema.map(field => field.copy(dataType = asText(field.dataType))))

  private def entries(node: Node): Seq[(String, Node)] = node match {
    case map: MappingNode =>
      map.getValue.asScala.toSeq.map(it => scalar(it.getKeyNode).getValue -> it.getValueNode)
    case _ => wrong(node, "this should be a mapping")
  }

  private def items(node: Node): Seq[Node] = node match {
    case list: SequenceNode => list.getValue.asScala.toSeq
    case _                  => wrong(node, "this should be a list")
  }

  private def scalar(node: Node): ScalarNode = node match {
    case word: ScalarNode => word
    case _                => wrong(node, "this should be a word")
  }

  private def isPlain(word: ScalarNode): Boolean = word.getScalarStyle == PLAIN

  private def wrong(node: Node, message: String): Nothing = {
    val place = node.getStartMark
    sys.error(s"line ${place.getLine + 1}, column ${place.getColumn + 1}: $message")
  }
}
