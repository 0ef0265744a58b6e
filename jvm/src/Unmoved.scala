package dataflow.guard

import java.lang.{Iterable => JavaIterable}

import org.apache.iceberg.{Snapshot, SnapshotAncestryValidator}

/** Refuses a commit to main that somebody else's came before: what was found to be in order may not be any more. */
final class Unmoved(head: Long) extends SnapshotAncestryValidator {
  override def validate(ancestors: JavaIterable[Snapshot]): Boolean = {
    val found = ancestors.iterator
    found.hasNext && found.next.snapshotId == head
  }

  override def errorMessage: String = Unmoved.Message
}

object Unmoved {
  val Message = "main moved while it was published to"
}
