package dataflow.guard

import scala.jdk.CollectionConverters._

import org.apache.iceberg.{MetadataUpdate, TableMetadata}
import org.apache.iceberg.exceptions.ValidationException

/** Whether a scope allows a change; each method returns, or throws what it refuses. Closed by default. */
final class Judge(scope: Scope) {
  import Judge._

  /**
   * Judge a write of rows.
   *
   * @param operation
   *   What to call it.
   * @param target
   *   What would be written.
   * @param branch
   *   The branch that it would go to, or nothing for main.
   */
  def rows(operation: String, target: Target, branch: Option[String]): Unit = place(operation, target) match {
    case Some(table) =>
      if (!branch.contains(table.branch)) {
        throw scope.refuse(
          s"$operation inside wap would write branch ${branch.getOrElse("main")} of $target, past the audits",
          "write the table by its plain name, with the session that the job is given: the run's branch is chosen for you")
      }
    case None => owner(operation, target)
  }

  /** Judge a change of a table or view itself: making, altering, renaming, dropping. */
  def definition(operation: String, target: Target): Unit = place(operation, target) match {
    case Some(_) =>
      throw scope.refuse(
        s"$operation inside wap would reach readers of $target before its audits",
        "inside wap only rows may be written (INSERT, DELETE, UPDATE, MERGE, or writeTo().overwrite…); " +
          "move changes of the table itself to a job before it")
    case None => owner(operation, target)
  }

  /** Judge a change of a database. */
  def namespace(operation: String, catalog: String, name: Seq[String]): Unit =
    place(operation, Target(catalog, name :+ "*"))

  /** Judge what a commit would make of a table's metadata, the last place that every write of a table passes. */
  def commit(target: Target, base: TableMetadata, metadata: TableMetadata): Unit = scope.reach match {
    case All =>
    case one: OneTable =>
      place("the write", target)
      val main = Option(metadata.ref("main")).map(_.snapshotId)
      val changes = metadata.changes.asScala
      if (main != Option(base.ref("main")).map(_.snapshotId) || changes.exists(isRef(_, it => it != one.branch))) {
        throw scope.refuse(
          s"a write inside wap would reach readers of $target past the audits",
          "write the table by its plain name, with the session that the job is given: the run's branch is chosen for you")
      }
      if ((changes.isEmpty && (base ne metadata)) || !changes.forall(it => isRows(it) || isRef(it, _ => true))) {
        definition("a change of the table", target)
      }
    case _ =>
      place("the write", target)
      owner("the write", target.copy(properties = base.properties.asScala.toMap))
  }

  /** Refuse what can't be judged by the table that it changes. */
  def unknown(operation: String, what: String, hint: String): WriteRefused = {
    if (scope.isOver) ended()
    scope.reach match {
      case Nothing_(reason, wayOut) => scope.refuse(s"$operation would write $what, and $reason", wayOut)
      case _ => scope.refuse(s"$operation would write $what, which no run may", hint)
    }
  }

  /** Judge where a target lies; return the scope's one table where it has only one. */
  private def place(operation: String, target: Target): Option[OneTable] = {
    if (scope.isOver) ended()
    scope.reach match {
      case All => None
      case Nothing_(reason, hint) => throw scope.refuse(s"$operation would write $target, and $reason", hint)
      case _ if target.catalog != scope.catalog =>
        throw scope.refuse(
          s"$operation would write ${target.catalog}.$target, which is outside ${scope.catalog}, " +
            s"the catalog of environment ${scope.environment}",
          s"write tables of ${scope.catalog}; other catalogs are there to be read")
      case one: OneTable =>
        if (target.name != one.name) {
          throw scope.refuse(
            s"$operation inside wap would write $target, without audits and straight to its readers",
            s"this template writes ${one.name.mkString(".")} alone: give $target a wap template of its own")
        }
        Some(one)
      case Database(Some(name)) if target.name.init != name =>
        throw scope.refuse(
          s"$operation would write $target, which is outside ${name.mkString(".")}, " +
            s"the database of environment ${scope.environment}",
          "use ${TARGET_DB}: a plain run reaches your own sandbox only unless --env names another environment, " +
            "a branch's deployment only its own database")
      case _: Database => None
    }
  }

  private def owner(operation: String, target: Target): Unit =
    for (own <- scope.packageId; uuid <- target.properties.get(PackageProperty) if uuid != own) {
      val whose = target.properties.getOrElse(PackageIdProperty, uuid)
      val owner = target.properties.getOrElse(OwnerProperty, "an unknown owner")
      throw scope.refuse(
        s"$operation would write table $target, which belongs to package $whose of $owner",
        "generate with another --workflow-shortname, or take the table over with --adopt if it was handed to you")
    }

  private def ended(): Unit =
    throw new ValidationException("the job that this session belongs to has ended: nothing is written any more")
}

object Judge {
  val PackageProperty = "dataflow.package"
  val PackageIdProperty = "dataflow.package-id"
  val OwnerProperty = "dataflow.owner"

  /**
   * What would be changed.
   *
   * @param name
   *   Database and table in parts; a database alone ends in `*`.
   * @param properties
   *   The table's, where it is there already.
   */
  final case class Target(catalog: String, name: Seq[String], properties: Map[String, String] = Map.empty) {
    override def toString: String = name.mkString(".")
  }

  private def isRows(change: MetadataUpdate): Boolean = change match {
    case _: MetadataUpdate.AddSnapshot | _: MetadataUpdate.AddEncryptionKey => true
    case _ => false
  }

  private def isRef(change: MetadataUpdate, holds: String => Boolean): Boolean = change match {
    case set: MetadataUpdate.SetSnapshotRef => holds(set.name)
    case _ => false
  }
}
