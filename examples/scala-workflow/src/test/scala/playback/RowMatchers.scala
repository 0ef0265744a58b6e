package playback

import org.apache.spark.sql.{DataFrame, Row}
import org.scalatest.matchers.{MatchResult, Matcher}

trait RowMatchers {

  /** Matches the same rows in any order. Doubles may differ by 1e-9 of their size. */
  def haveTheRowsOf(expected: DataFrame): Matcher[DataFrame] = Matcher { actual =>
    val (missing, unexpected) = difference(expected.collect().toSeq, actual.collect().toSeq)
    val lines = missing.map(row => s"- $row") ++ unexpected.map(row => s"+ $row")
    MatchResult(
      lines.isEmpty,
      lines.sortBy(_.drop(2)).mkString("rows are missing (-) or unexpected (+):\n", "\n", ""),
      "rows are the same"
    )
  }

  /** Crosses out each expected row with one of those found, and returns what is left of both. */
  private def difference(expected: Seq[Row], found: Seq[Row]): (Seq[Row], Seq[Row]) =
    expected.foldLeft((Seq.empty[Row], found)) { case ((missing, left), row) =>
      left.indexWhere(sameRow(row, _)) match {
        case -1    => (missing :+ row, left)
        case index => (missing, left.patch(index, Nil, 1))
      }
    }

  private def sameRow(one: Row, other: Row): Boolean =
    one.toSeq.corresponds(other.toSeq) {
      case (a: Double, b: Double) => (a - b).abs <= 1e-9 * math.max(a.abs, b.abs)
      case (a, b)                 => a == b
    }
}
