package dataflow.guard

import org.apache.spark.sql.catalyst.{FunctionIdentifier, TableIdentifier}
import org.apache.spark.sql.catalyst.expressions.Expression
import org.apache.spark.sql.catalyst.parser.{ParameterContext, ParserInterface}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.execution.SparkSqlParser
import org.apache.spark.sql.types.{DataType, StructType}

/** Iceberg's parser and what it leaves out: without it (1.12) no SQL function can be made, not even a temporary one. */
final class WholeParser(delegate: ParserInterface) extends ParserInterface {
  override def parseRoutineParam(text: String): StructType = new SparkSqlParser().parseRoutineParam(text)

  override def parsePlan(text: String): LogicalPlan = delegate.parsePlan(text)
  override def parsePlanWithParameters(text: String, parameters: ParameterContext): LogicalPlan =
    delegate.parsePlanWithParameters(text, parameters)
  override def parseExpression(text: String): Expression = delegate.parseExpression(text)
  override def parseTableIdentifier(text: String): TableIdentifier = delegate.parseTableIdentifier(text)
  override def parseFunctionIdentifier(text: String): FunctionIdentifier = delegate.parseFunctionIdentifier(text)
  override def parseMultipartIdentifier(text: String): Seq[String] = delegate.parseMultipartIdentifier(text)
  override def parseQuery(text: String): LogicalPlan = delegate.parseQuery(text)
  override def parseTableSchema(text: String): StructType = delegate.parseTableSchema(text)
  override def parseDataType(text: String): DataType = delegate.parseDataType(text)
}
