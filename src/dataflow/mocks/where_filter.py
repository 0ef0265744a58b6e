"""A condition in Spark's SQL as an Iceberg expression, so that files that can't match are not opened.

SQL knows three truths and Iceberg two: where SQL finds a condition unknown, a row is not taken. Each negated condition
therefore asks for a value too, and a number is greater than others when it is NaN, as in Spark.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError, did_you_mean
from dataflow.mocks.arrow import spark_type
from dataflow.mocks.yaml_scalars import read_scalar

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from sqlglot import exp

_EXAMPLE = "for example --where \"country = 'NO'\""

_UNDERSTOOD = frozenset({"this", "expression", "expressions", "low", "high", "negate"})


class NotPushedDown(Exception):
    """A condition that Iceberg can't express; the message names it."""


def parse_where(text: str) -> exp.Expression:
    """Read a condition.

    Raises:
        UsageError: It is not one.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        parsed = sqlglot.parse_one(f"SELECT 1 WHERE {text}", read="spark")
    except SqlglotError as error:
        found = (getattr(error, "errors", None) or [{}])[0]
        near = f" near '{found['highlight']}'" if found.get("highlight") else ""
        raise UsageError(f"--where is not a condition{near}: {text}", _EXAMPLE) from None
    where = parsed.args.get("where")
    others = [name for name, part in parsed.args.items() if part and name not in {"where", "expressions", "kind"}]
    if where is None or others:
        raise UsageError(f"--where is a condition alone: {text}", _EXAMPLE)
    condition: exp.Expression = where.this
    return condition


def check_columns(condition: exp.Expression, names: list[str]) -> None:
    """Check that the columns of a condition exist.

    Raises:
        UsageError: It does not; the message names the nearest.
    """
    from sqlglot import exp

    known = {name.lower() for name in names}
    for column in condition.find_all(exp.Column):
        first = column.parts[0].name
        if first.lower() not in known:
            raise UsageError(f"--where: there is no column '{first}'{did_you_mean(first, names)}")


def to_iceberg(condition: exp.Expression, schema: Schema) -> BooleanExpression:
    """Turn a condition into an Iceberg expression.

    Raises:
        NotPushedDown: Iceberg has none for a part of it.
    """
    found: BooleanExpression = _Translator(schema).translate(condition, negated=False)
    return found


class _Translator:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def translate(self, node: exp.Expression, *, negated: bool) -> Any:
        from sqlglot import exp

        ice = _iceberg()
        match node:
            case exp.Paren():
                return self.translate(node.this, negated=negated)
            case exp.Not():
                return self.translate(node.this, negated=not negated)
            case exp.And() | exp.Or():
                both = [self.translate(side, negated=negated) for side in (node.this, node.expression)]
                return ice.And(*both) if isinstance(node, exp.And) is not negated else ice.Or(*both)
            case exp.Boolean():
                return ice.AlwaysTrue() if node.this is not negated else ice.AlwaysFalse()
        if any(node.args[name] for name in node.args.keys() - _UNDERSTOOD):  # such as LIKE … ESCAPE
            raise _beyond(node)
        return self._leaf(node, bool(node.args.get("negate")) is not negated)

    def _leaf(self, node: exp.Expression, negated: bool) -> Any:
        from sqlglot import exp

        ice = _iceberg()
        match node:
            case exp.Is(expression=exp.Null()):
                term, _ = self._column(node.this)
                return ice.NotNull(term) if negated else ice.IsNull(term)
            case exp.Between():
                low, high = exp.GTE(this=node.this, expression=node.args["low"]), None
                high = exp.LTE(this=node.this, expression=node.args["high"])
                return self.translate(exp.And(this=low, expression=high), negated=negated)
            case exp.In(expressions=[_, *_]):
                return self._in(node, negated)
            case exp.Like():
                return self._like(node, negated)
            case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
                return self._comparison(node, negated)
            case exp.Column():
                term, type_ = self._column(node)
                if str(type_) == "boolean":
                    return ice.EqualTo(term, not negated)
        raise _beyond(node)

    def _in(self, node: exp.Expression, negated: bool) -> Any:
        ice = _iceberg()
        term, type_ = self._column(node.this)
        values = [self._literal(value, type_) for value in node.expressions]
        return ice.And(ice.NotNull(term), ice.NotIn(term, values)) if negated else ice.In(term, values)

    def _like(self, node: exp.Expression, negated: bool) -> Any:
        from sqlglot import exp

        ice = _iceberg()
        term, type_ = self._column(node.this)
        pattern = node.expression
        text = pattern.this if isinstance(pattern, exp.Literal) and pattern.is_string else None
        if text is None or str(type_) != "string" or not text.endswith("%") or set(text[:-1]) & set("%_\\"):
            raise _beyond(node)
        if negated:
            return ice.And(ice.NotNull(term), ice.NotStartsWith(term, text[:-1]))
        return ice.StartsWith(term, text[:-1])

    def _comparison(self, node: exp.Expression, negated: bool) -> Any:
        from sqlglot import exp

        ice = _iceberg()
        kinds: list[Any] = [exp.EQ, exp.NEQ, exp.GT, exp.LTE, exp.GTE, exp.LT]  # each beside what it is when negated
        mirrored: dict[Any, Any] = {exp.GT: exp.LT, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.LTE: exp.GTE}
        kind: Any = type(node)
        left, right = node.this, node.expression
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
            kind, left, right = mirrored.get(kind, kind), right, left
        kind = kinds[kinds.index(kind) ^ 1] if negated else kind
        term, type_ = self._column(left)
        value = self._literal(right, type_)
        made: dict[Any, Callable[[Any, Any], Any]] = {
            exp.EQ: ice.EqualTo,
            exp.NEQ: lambda name, it: ice.And(ice.NotNull(name), ice.NotEqualTo(name, it)),
            exp.GT: ice.GreaterThan,
            exp.GTE: ice.GreaterThanOrEqual,
            exp.LT: ice.LessThan,
            exp.LTE: ice.LessThanOrEqual,
        }
        found = made[kind](term, value)
        if kind in {exp.GT, exp.GTE} and str(type_) in {"float", "double"}:
            return ice.Or(found, ice.IsNaN(term))
        return found

    def _column(self, node: exp.Expression) -> tuple[str, Any]:
        from sqlglot import exp

        if not isinstance(node, exp.Column):
            raise _beyond(node)
        field = next((f for f in self._schema.fields if f.name.lower() == node.name.lower()), None)
        if field is None or len(node.parts) > 1 or not field.field_type.is_primitive or "." in field.name:
            raise _beyond(node)
        return field.name, field.field_type

    def _literal(self, node: exp.Expression, type_: Any) -> Any:
        """Return a literal as a value of the column's type, as a mock would have it."""
        from sqlglot import exp

        word, quoted = _word(node)
        try:
            value = read_scalar(word, quoted, spark_type(type_))
        except ValueError:
            raise _beyond(node) from None
        other_type = isinstance(node, exp.Cast) and str(type_) == "string"
        if other_type or (str(type_) == "float" and value != float(word)):  # Spark compares the two as doubles
            raise _beyond(node)
        if isinstance(value, float | int | str | bool | Decimal | bytes | dt.date):
            return value
        raise _beyond(node)


def _iceberg() -> Any:
    """Return Iceberg's expressions, whose own signatures say less than they take."""
    from pyiceberg import expressions

    return expressions


def _word(node: exp.Expression) -> tuple[str, bool]:
    """Return a literal's text, and whether it stood in quotes."""
    from sqlglot import exp

    match node:
        case exp.Neg():
            word, quoted = _word(node.this)
            return f"-{word}", quoted
        case exp.Literal():
            return str(node.this), bool(node.is_string)
        case exp.Boolean():
            return str(node.this).lower(), False
        case exp.Cast(this=exp.Literal(is_string=True)) if node.to.this in (
            exp.DataType.Type.DATE,
            exp.DataType.Type.TIMESTAMP,
            exp.DataType.Type.TIMESTAMPTZ,
            exp.DataType.Type.TIMESTAMPNTZ,
            exp.DataType.Type.TIMESTAMPLTZ,
        ):
            return str(node.this.this), True
    raise _beyond(node)


def _beyond(node: exp.Expression) -> NotPushedDown:
    return NotPushedDown(node.sql(dialect="spark"))
