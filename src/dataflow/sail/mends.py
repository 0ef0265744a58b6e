"""What is written around parts of a query so that Sail means by them what Spark does: types, and how to round.

The query's own text stays as it is, between what is written around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.sail import compared
from dataflow.sail.judgement import Judged, SparkDecides
from dataflow.sail.kinds import KindsOf, bare, groups
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from sqlglot.expressions import Column, Expr

_DIGITS = 38
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


def mends(judged: Judged, kinds: KindsOf) -> list[Mend]:
    """Return what is to be written around the parts of a query, those of outer parts first.

    Raises:
        SparkDecides: It is not clear where a part stands in the text.
    """
    found: list[Mend] = []
    for node in judged.tree.walk():
        found += _doubles(judged, kinds, node)
        found += _sorted_zeros(judged, kinds, node)
        if (name := judged.functions.get(id(node))) in compared.MENDED:
            before, after = compared.MENDED[str(name)]
            start, _, end = _place(judged, node)
            found.append(Mend(start, before, end, after))
        elif name == "round" and kinds(node) == {"double"}:
            found += _rounding(judged, kinds, node)
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
        start, end = int(node.meta.get("start", -1)), int(node.meta.get("end", -1)) + 1
        if judged.sql[start:end] != node.name:
            raise SparkDecides(f"the place of {node.name} in it is not clear")
        yield Mend(start, "", end, "D")
    elif isinstance(node, exp.Column):
        start, end = _place_of_column(judged, node)
        yield Mend(start, "CAST(", end, " AS DOUBLE)")


def _sorted_zeros(judged: Judged, kinds: KindsOf, node: Expr) -> Iterator[Mend]:
    """Let negative zeros be zeros where rows are sorted by a column."""
    from sqlglot import exp

    if isinstance(node, exp.Ordered) and isinstance(node.this, exp.Column) and "-0.0" in kinds(node.this):
        start, end = _place_of_column(judged, node.this)
        yield Mend(start, "(", end, " + 0D)")


def _rounding(judged: Judged, kinds: KindsOf, node: Expr) -> Iterator[Mend]:
    """Let a double be rounded by its decimal digits, half up and without the sign of zero, as Java does it."""
    start, inside, end = _place(judged, node)
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


def _place(judged: Judged, node: Expr) -> tuple[int, int, int]:
    place = judged.call(int(node.meta.get("start", -1)))
    if place is None:
        raise SparkDecides(f"the place of {node.sql('spark')[:60]} in it is not clear")
    return place


def _place_of_column(judged: Judged, column: Column) -> tuple[int, int]:
    start = min(int(part.meta.get("start", -1)) for part in column.parts)
    end = max(int(part.meta.get("end", -1)) for part in column.parts) + 1
    if start < 0 or table_names.split(judged.sql[start:end]) != tuple(part.name for part in column.parts):
        raise SparkDecides(f"the place of {column.sql('spark')[:60]} in it is not clear")
    return start, end
