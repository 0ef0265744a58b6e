"""What is written around parts of a query so that Sail means by them what Spark does: types, and how to round.

The query's own text stays as it is, between what is written around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.sail import compared
from dataflow.sail.decimals import Decimals, Type
from dataflow.sail.judgement import Judged
from dataflow.sail.kinds import KindsOf, bare, branches, groups
from dataflow.sail.places import call_of, place_of
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_DIGITS = 38
_ADDED = 4  # digits behind the point that a quotient has in Sail more than what is divided
_CERTAIN = 13  # digits of a rounded sum that the order of its additions does not change
_PLACES = 7  # behind the point, up to which a power of ten that is as good as zero may have one digit
_OF_DOUBLES = 18  # digits behind those to which a double is rounded: all that it may have


@dataclass(frozen=True)
class Mend:
    """What is written around a part of a query.

    Attributes:
        start: Where the part begins.
        before: What is written there.
        end: After its last character.
        after: What is written there.
    """

    start: int
    before: str
    end: int
    after: str


def mends(judged: Judged, kinds: KindsOf, decimals: Decimals) -> list[Mend]:
    """Return what is to be written around the parts of a query, those of outer parts first.

    Raises:
        SparkDecides: It is not clear where a part stands in the text.
    """
    from sqlglot import exp

    found: list[Mend] = []
    for node in judged.tree.walk():
        name = judged.functions.get(id(node))
        found += _doubles(judged, kinds, node)
        found += _sorted_zeros(judged, kinds, node)
        if isinstance(node, exp.Column) and kinds.names.is_field(node):
            found.append(_of_struct(judged, node))
        if name in compared.MENDED:
            start, _, end = call_of(judged, node)
            found.append(Mend(start, compared.MENDED[name][0], end, compared.MENDED[name][1]))
        elif name == "round" and kinds(node) == {"double"}:
            found += _rounding(judged, kinds, node)
        elif isinstance(node, exp.Round | exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod) and decimals.of(node):
            found += _computed(judged, decimals, node)
        elif isinstance(node, exp.Avg) and (mean := decimals.of(node)):
            found += _averaged(judged, decimals, node, mean)
        elif isinstance(node, exp.Case | exp.If | exp.Coalesce) and (united := decimals.of(node)):
            found += _branches(judged, decimals, node, united)
        elif isinstance(node, exp.Nullif) and decimals.is_plain_nullif(node):
            found.append(_around(judged, node.expression, "CAST(", f" AS {decimals.of(node.this)})"))
        elif isinstance(node, exp.Cast) and node.args["to"].is_type("double") and decimals.of(node.this):
            found.append(_around(judged, node.this, "CAST(", " AS STRING)"))
    return found


def mended(judged: Judged, views: Sequence[str], around: Sequence[Mend]) -> str:
    """Return a query as Sail is given it, with a view for each table."""
    pieces = [(use.start, 1, 0, use.end, text) for use, text in zip(judged.tables, judged.shown(views), strict=True)]
    for i, mend in enumerate(around, 1):
        pieces += [(mend.start, 1, i, mend.start, mend.before), (mend.end, 0, -i, mend.end, mend.after)]
    parts, at = [], 0
    for start, _, _, end, text in sorted(pieces):
        parts += [judged.sql[at:start], text]
        at = end
    return "".join([*parts, judged.sql[at:]])


def _doubles(judged: Judged, kinds: KindsOf, node: Expr) -> Iterator[Mend]:
    """Let decimals that stand beside doubles be doubles, as they are to Spark."""
    for group in groups(node):
        for each, kind in zip(group, kinds.beside(group), strict=True):
            if kind != kinds(each):
                yield from _as_double(judged, bare(each))


def _as_double(judged: Judged, node: Expr) -> Iterator[Mend]:
    from sqlglot import exp

    if isinstance(node, exp.Literal):
        yield _around(judged, node, "", "D")
    else:  # by way of its text, of which all digits count
        yield _around(judged, node, "CAST(CAST(", " AS STRING) AS DOUBLE)")


def _sorted_zeros(judged: Judged, kinds: KindsOf, node: Expr) -> Iterator[Mend]:
    """Let negative zeros be zeros where rows are sorted by a column."""
    from sqlglot import exp

    if isinstance(node, exp.Ordered) and isinstance(node.this, exp.Column) and "-0.0" in kinds(node.this):
        yield _around(judged, node.this, "(", " + 0D)")


def _of_struct(judged: Judged, field: Any) -> Mend:
    """Let the field of a struct that is null be null; Sail has whatever lies below."""
    from sqlglot import exp

    start, end = place_of(judged, field)
    struct = judged.sql[start : field.args["table"].meta["end"] + 1]
    is_result = isinstance(field.parent, exp.Select) and field.arg_key == "expressions"
    name = f" AS {table_names.quote(field.name)}" if is_result else ""
    return Mend(start, f"CASE WHEN {struct} IS NOT NULL THEN ", end, f" END{name}")


def _computed(judged: Judged, decimals: Decimals, node: Any) -> Iterator[Mend]:
    """Let what is computed of decimals have Spark's digits; Sail cuts quotients off, and Spark rounds them half up."""
    from sqlglot import exp

    type_ = decimals.of(node)
    if isinstance(node, exp.Round | exp.Mod | exp.Div):
        yield _around(judged, node, "CAST(", f" AS {type_})")
    if isinstance(node, exp.Round):
        return
    for operand in (node.this, node.expression):
        given = decimals.beside(operand)
        if type_ is None or given is None:
            return
        if isinstance(node, exp.Div) and operand is node.this:
            scale = max(given.scale, type_.scale + 1 - _ADDED)
            wider = Type(min(_DIGITS, given.precision - given.scale + scale), scale)
            yield _around(judged, operand, "CAST(", f" AS {wider})")
        elif decimals.of(operand) is None:
            yield _around(judged, operand, "CAST(", f" AS {given})")


def _averaged(judged: Judged, decimals: Decimals, node: Any, mean: Type) -> Iterator[Mend]:
    """Let the average of decimals be rounded half up; Sail cuts it off, so that it gets one more digit to round by."""
    from sqlglot import exp

    whole = node
    while isinstance(whole.parent, exp.Window | exp.Filter) and whole.arg_key == "this":
        whole = whole.parent
    yield _around(judged, whole, "CAST(", f" AS {mean})")
    given = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    type_ = decimals.of(given)
    if type_ is not None:
        yield _around(judged, given, "CAST(", f" AS {Type(type_.precision + 1, type_.scale + 1)})")


def _branches(judged: Judged, decimals: Decimals, node: Any, united: Type) -> Iterator[Mend]:
    """Let branches that are decimals of other digits, or whole numbers, be brought to the digits that Spark has."""
    from sqlglot import exp

    for branch in branches(node):
        if not isinstance(branch, exp.Null) and decimals.of(branch) != united:
            yield _around(judged, branch, "CAST(", f" AS {united})")


def _around(judged: Judged, node: Expr, before: str, after: str) -> Mend:
    start, end = place_of(judged, node)
    return Mend(start, before, end, after)


def _rounding(judged: Judged, kinds: KindsOf, node: Expr) -> Iterator[Mend]:
    """Let a double be rounded by its decimal digits, half up and without the sign of zero, as Java does it."""
    start, inside, end = call_of(judged, node)
    places = int(node.args["decimals"].name) if node.args.get("decimals") else 0
    digits = min(_DIGITS, _CERTAIN + _OF_DOUBLES) if "near" in kinds(node.this) else _DIGITS
    yield Mend(start, "CAST(", end, " AS DOUBLE)")
    tiny = "[1-9][0-9]+" if places > _PLACES else f"([{places + 2}-9]|[1-9][0-9]+)"  # powers of ten that become zero
    yield Mend(
        inside,
        "CAST(regexp_replace(CAST(",
        judged.first_argument(start),
        f" AS STRING), '^.*e-{tiny}$', '0') AS DECIMAL({digits}, {places + _OF_DOUBLES}))",
    )
