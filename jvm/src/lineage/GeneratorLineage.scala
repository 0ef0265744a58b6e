package dataflow.lineage

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.Generate
import org.apache.spark.sql.types.{ArrayType, MapType, StructType}

/** The lineage of the columns that a generator makes: of each column by itself where that is known. */
object GeneratorLineage {
  def columns(plan: Generate, scope: ExpressionLineage): Seq[(ExprId, Value)] = {
    val made = plan.generatorOutput
    val all = Value(scope.leaves(plan.generator.children))
    val values = plan.generator match {
      case Stack(children) => stacked(children, made.size, scope)
      case Inline(child) => made.indices.map(scope.value(child).field)
      case it: ExplodeBase => exploded(it, made.size, scope)
      case _ => Nil
    }
    made.map(_.exprId).zip(values.padTo(made.size, all))
  }

  /** `stack(2, 'a', x, 'b', y)` has rows of two values: each column gets the values at its position. */
  private def stacked(children: Seq[Expression], width: Int, scope: ExpressionLineage): Seq[Value] = {
    val rows = children.tail.grouped(width).toSeq
    (0 until width).map(at => Value.any(rows.flatMap(_.lift(at)).map(scope.value)))
  }

  private def exploded(generator: ExplodeBase, width: Int, scope: ExpressionLineage): Seq[Value] = {
    val child = scope.value(generator.child)
    val values = (generator.child, generator.child.dataType) match {
      case (CreateMap(children, _), _) =>
        val (keys, values) = children.grouped(2).map(it => (it.head, it.last)).toSeq.unzip
        Seq(keys, values).map(each => Value.any(each.map(scope.value)))
      case (_, ArrayType(_: StructType, _)) => Seq(child)
      case (_, _: MapType) => Seq(Value(child.leaves), Value(child.leaves))
      case _ => Seq(Value(child.leaves))
    }
    val position = Seq.fill(width - values.size)(Value(child.leaves)) // of POSEXPLODE
    position ++ values
  }
}
