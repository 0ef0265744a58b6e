package dataflow.lineage

/**
 * A table's column that something is made of.
 *
 * @param decides
 *   Whether it only decides which value there is, such as the order of a window.
 */
final case class Leaf(table: String, column: String, decides: Boolean = false)

/**
 * Where a column stands in a relation, to tell a list that somebody wrote from a star.
 *
 * @param relation
 *   The relation's number: the same table read twice has two.
 */
final case class Place(relation: Int, name: String)

/**
 * What an attribute or an expression is made of.
 *
 * @param leaves
 *   The tables' columns.
 * @param fields
 *   Of a struct that the query makes itself, what each of its fields is made of.
 * @param isNull
 *   Whether it is a null and nothing else, as what an INSERT leaves out is.
 * @param same
 *   The table and the column that it is, unchanged.
 * @param place
 *   Where it stands in the relation that it comes from as it is.
 */
final case class Value(
    leaves: Set[Leaf] = Set.empty,
    fields: Seq[Value] = Nil,
    isNull: Boolean = false,
    same: Option[(String, String)] = None,
    place: Option[Place] = None) {

  /** The same leaves, where they only decide. */
  def deciding: Set[Leaf] = leaves.map(_.copy(decides = true))

  /** One field of a struct; all of it where the struct is a table's own. */
  def field(position: Int): Value = fields.lift(position).getOrElse(Value(leaves))

  /** This value, with more leaves that it depends on. */
  def by(more: Set[Leaf]): Value = if (more.subsetOf(leaves)) this else Value(leaves ++ more, fields.map(_.by(more)))

  /** Either of two values, as of a union. */
  def or(other: Value): Value = Value(
    leaves ++ other.leaves,
    if (fields.size == other.fields.size) fields.zip(other.fields).map { case (one, two) => one.or(two) } else Nil,
    isNull && other.isNull,
    if (same == other.same) same else None)

  /** The greatest or least of many: of a struct's fields each is chosen by all. */
  def chosen: Value = Value(leaves, fields.map(_.by(deciding)))
}

/**
 * A column of rows that were kept: a later plan begins with it.
 *
 * @param deciding
 *   What decided which rows there are.
 * @param tables
 *   What was read for them.
 */
final case class CachedColumn(value: Value, deciding: Set[Leaf], tables: Set[String])

object Value {
  val Empty: Value = Value()
  val Null: Value = Value(isNull = true)

  def struct(fields: Seq[Value]): Value = Value(fields.flatMap(_.leaves).toSet, fields)

  def any(values: Iterable[Value]): Value = values.reduceOption(_ or _).getOrElse(Empty)

  /** What is made of several values in ways that nobody looks into. */
  def mixed(values: Iterable[Value]): Value = Value(values.flatMap(_.leaves).toSet)
}
