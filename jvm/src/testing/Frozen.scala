package dataflow.testing

import java.time.{ZoneId, ZoneOffset}
import java.util.Locale

import scala.collection.mutable

import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.catalyst.util.DateTimeUtils
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String

/** A clock that stands still, and chance that comes again, in sessions whose settings ask for them: those of tests. */
object Frozen {

  /** The moment that it is, in microseconds since 1970. */
  val Now = "spark.dataflow.frozen.now"

  /** What `rand()` and its like begin with where nobody gives them a seed. */
  val Seed = "spark.dataflow.frozen.seed"

  def inject(extensions: SparkSessionExtensions): Unit = {
    extensions.injectHintResolutionRule(new Unseeded(_))
    extensions.injectPostHocResolutionRule(new FrozenClock(_))
    extensions.injectPostHocResolutionRule(new FrozenChance(_))
  }

  /** A setting of the session itself: a view's query is analysed with the settings that it was made with. */
  private[testing] def setting(session: SparkSession, key: String): Option[Long] =
    Option(session.conf.get(key, null)).map(_.toLong)
}

/** Puts the moment in the place of whatever asks for it. Names of columns are made by then, and stay as they are. */
final class FrozenClock(session: SparkSession) extends Rule[LogicalPlan] {

  override def apply(plan: LogicalPlan): LogicalPlan = Frozen.setting(session, Frozen.Now) match {
    case None => plan
    case Some(micros) =>
      plan.resolveOperatorsUp { case node => node.transformExpressionsUp { case it => at(it, micros) } }
  }

  private def at(expression: Expression, micros: Long): Expression = expression match {
    case _: CurrentTimestampLike => Literal(micros, TimestampType)
    case it: CurrentDate => Literal(DateTimeUtils.microsToDays(micros, zone(it)), DateType)
    case it: LocalTimestamp => Literal(local(micros, zone(it)), TimestampNTZType)
    case it: CurrentTime =>
      val nanos = DateTimeUtils.instantToNanosOfDay(DateTimeUtils.microsToInstant(micros), zone(it))
      Literal(DateTimeUtils.truncateTimeToPrecision(nanos, it.precision), TimeType(it.precision))
    case it: Cast if it.child.dataType.isInstanceOf[StringType] && it.child.foldable =>
      Option(it.child.eval()).flatMap(word => special(word.asInstanceOf[UTF8String].toString, it, micros)).getOrElse(it)
    case it => it
  }

  /** What Spark makes of 'now', 'today' and the days beside it where a date or a timestamp is wanted. */
  private def special(word: String, cast: Cast, micros: Long): Option[Expression] = {
    val days = Map("yesterday" -> -1, "today" -> 0, "tomorrow" -> 1).get(word.trim.toLowerCase(Locale.ROOT))
    val here = zone(cast)
    val isNow = word.trim.equalsIgnoreCase("now")
    val day = days.orElse(if (isNow) Some(0) else None).map(DateTimeUtils.microsToDays(micros, here) + _)
    cast.dataType match {
      case DateType => day.map(Literal(_, DateType))
      case TimestampType => day.map(it => Literal(if (isNow) micros else DateTimeUtils.daysToMicros(it, here), TimestampType))
      case TimestampNTZType =>
        day.map(it =>
          Literal(if (isNow) local(micros, here) else DateTimeUtils.daysToMicros(it, ZoneOffset.UTC), TimestampNTZType))
      case _ => None
    }
  }

  private def zone(expression: TimeZoneAwareExpression): ZoneId =
    DateTimeUtils.getZoneId(expression.timeZoneId.getOrElse(conf.sessionLocalTimeZone))

  private def local(micros: Long, zone: ZoneId): Long = DateTimeUtils.convertTz(micros, ZoneOffset.UTC, zone)
}

/** Marks what is given no seed, as long as that can be seen: resolved, some functions do not tell. */
final class Unseeded(session: SparkSession) extends Rule[LogicalPlan] {
  private val arguments = Map("uuid" -> 0, "shuffle" -> 1)

  override def apply(plan: LogicalPlan): LogicalPlan = {
    if (Frozen.setting(session, Frozen.Seed).nonEmpty) plan.foreach(_.expressions.foreach(_.foreach {
      case it: UnresolvedFunction if arguments.get(it.nameParts.last.toLowerCase(Locale.ROOT)).contains(it.arguments.size) =>
        it.setTagValue(Unseeded.Tag, ())
      case _ =>
    }))
    plan
  }
}

object Unseeded {
  val Tag: TreeNodeTag[Unit] = TreeNodeTag[Unit]("dataflow.unseeded")
}

/** Gives a seed to each `rand()` that Spark has given one of its own: the first the first, and to each another one. */
final class FrozenChance(session: SparkSession) extends Rule[LogicalPlan] {

  override def apply(plan: LogicalPlan): LogicalPlan = Frozen.setting(session, Frozen.Seed) match {
    case None => plan
    case Some(seed) =>
      val taken = mutable.Set.empty[Any]
      plan.foreach(node => if (node.analyzed) node.expressions.foreach(_.foreach {
        case it: ExpressionWithRandomSeed => taken += it.seedExpression.eval()
        case _ =>
      }))
      val seeds = mutable.Map.empty[Any, Long] // a copy keeps the seed of what it was copied from
      var next = seed
      def instead(of: Any): Long = seeds.getOrElseUpdate(of, {
        while (!taken.add(next)) next += 1
        next
      })
      plan.resolveOperatorsUp { case node =>
        node.transformExpressionsUp {
          case it: ExpressionWithRandomSeed if isUnseeded(it) && it.seedExpression.resolved && it.seedExpression.foldable =>
            it.withNewSeed(instead(it.seedExpression.eval()))
        }
      }
  }

  private def isUnseeded(expression: Expression): Boolean = expression match {
    case it: Rand => it.hideSeed
    case it: Randn => it.hideSeed
    case it: Uniform => it.hideSeed
    case it: RandStr => it.hideSeed
    case it => it.getTagValue(Unseeded.Tag).isDefined
  }
}
