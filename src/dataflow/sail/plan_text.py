"""A plan of PySpark's client as SQL: a script in Python is judged by the same lists as a query.

What is written says just what the plan says, part by part; where that is not certain, Spark runs the script.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from dataflow.sail.judgement import SparkDecides
from dataflow.sail.plan_columns import Part, PlanColumn, listed, told_apart
from dataflow.sail.plan_expressions import expression, own_text, require_expression, sorted_by
from dataflow.tables.quoting import column_name
from dataflow.workflow import table_names

_JOINS = {"INNER": "JOIN", "LEFT_OUTER": "LEFT JOIN", "RIGHT_OUTER": "RIGHT JOIN", "FULL_OUTER": "FULL JOIN"} | {
    "CROSS": "CROSS JOIN",
    "LEFT_SEMI": "LEFT SEMI JOIN",
    "LEFT_ANTI": "LEFT ANTI JOIN",
}
_OF_LEFT_ALONE = ("LEFT_SEMI", "LEFT_ANTI")


class PlanText:
    """Writes plans as SQL.

    Args:
        columns: Returns the columns of a table, or of a view, by its name.
        hold: Runs a query, holds its rows under a name of its own, and returns that: for SQL within a plan.
    """

    def __init__(self, columns: Callable[[str], Sequence[str]], hold: Callable[[str], str]) -> None:
        self._columns, self._hold = columns, hold
        self._rows = itertools.count(1)
        self._taken: set[str] = set()

    def query(self, relation: Any) -> tuple[str, list[str]]:
        """Return a plan as a query, and what the script calls its columns.

        Raises:
            SparkDecides: A part of it has no text that certainly means the same.
        """
        self._taken = set()
        part = self._part(relation)
        return f"SELECT {listed(part.columns)} FROM {part.source}", [it.name or it.text for it in part.columns]

    def _made(self, name: str | None) -> PlanColumn:
        """Return a column that is computed; in the text a name is given once, so that it has one meaning."""
        text, number = name or "value", 1
        while text.lower() in self._taken:
            number += 1
            text = f"{name or 'value'}_{number}"
        self._taken.add(text.lower())
        return PlanColumn(name, text)

    def _part(self, relation: Any) -> Part:
        kind = relation.WhichOneof("rel_type")
        read = {
            "read": self._read,
            "sql": self._sql,
            "project": self._project,
            "filter": self._filter,
            "with_columns": self._with_columns,
            "with_columns_renamed": self._renamed,
            "drop": self._drop,
            "aggregate": self._aggregate,
            "join": self._join,
            "set_op": self._set_operation,
            "sort": self._sort,
            "limit": self._limit,
            "deduplicate": self._distinct,
            "subquery_alias": self._alias,
            "repartition": self._same_rows,
            "repartition_by_expression": self._same_rows,
        }.get(kind)
        if read is None:
            raise SparkDecides(f"{str(kind).replace('_', ' ')} of a data frame was not compared")
        return read(getattr(relation, kind)).of_plan(relation.common.plan_id)

    def _query(self, select: str, columns: Sequence[PlanColumn]) -> Part:
        return Part(f"({select}) AS r{next(self._rows)}", tuple(columns))

    def _read(self, node: Any) -> Part:
        if node.is_streaming or node.WhichOneof("read_type") != "named_table" or node.named_table.options:
            raise SparkDecides("a script in Python that reads files, streams, or with options is Spark's alone")
        return self._table(node.named_table.unparsed_identifier)

    def _table(self, name: str) -> Part:
        columns = tuple(PlanColumn(it, it) for it in self._columns(name))
        self._taken |= {it.text.lower() for it in columns}
        return Part(f"{table_names.quoted(name)} AS r{next(self._rows)}", columns)

    def _sql(self, node: Any) -> Part:
        if node.args or node.pos_args or node.named_arguments or node.pos_arguments:
            raise SparkDecides("spark.sql with arguments was not compared")
        return self._table(self._hold(node.query))

    def _project(self, node: Any) -> Part:
        return self._selected(self._part(node.input), node.expressions)

    def _selected(self, source: Part, expressions: Sequence[Any], behind: str = "") -> Part:
        made: list[tuple[PlanColumn, str]] = []
        for it in expressions:
            if it.WhichOneof("expr_type") == "unresolved_star":
                if it.unresolved_star.unparsed_target or it.unresolved_star.HasField("plan_id"):
                    raise SparkDecides("a star of one data frame among several was not compared")
                made += [(column, column_name(column.text)) for column in source.columns]
            else:
                made.append(self._item(it, source))
        columns = told_apart([column for column, _ in made])
        items = [f"{text} AS {column_name(it.text)}" for it, (_, text) in zip(columns, made, strict=True)]
        return self._query(f"SELECT {', '.join(items)} FROM {source.source}{behind}", columns)

    def _filter(self, node: Any) -> Part:
        source = self._part(node.input)
        where = expression(node.condition, source)
        return self._query(f"SELECT {listed(source.columns)} FROM {source.source} WHERE {where}", source.columns)

    def _with_columns(self, node: Any) -> Part:
        source = self._part(node.input)
        columns, texts = list(source.columns), [column_name(it.text) for it in source.columns]
        for alias in node.aliases:
            (name,) = alias.name if len(alias.name) == 1 else ("",)
            places = [i for i, it in enumerate(source.columns) if (it.name or "").lower() == name.lower()]
            text = expression(alias.expr, source)
            if not name or len(places) > 1:
                raise SparkDecides("such a withColumn was not compared")
            if places:
                columns[places[0]], texts[places[0]] = self._made(name), text
            else:
                columns.append(self._made(name))
                texts.append(text)
        apart = told_apart(columns)
        items = [f"{text} AS {column_name(it.text)}" for it, text in zip(apart, texts, strict=True)]
        return self._query(f"SELECT {', '.join(items)} FROM {source.source}", apart)

    def _renamed(self, node: Any) -> Part:
        source = self._part(node.input)
        if node.rename_columns_map or not node.renames:
            raise SparkDecides("such a withColumnRenamed was not compared")
        names = {it.col_name.lower(): it.new_col_name for it in node.renames}
        columns = tuple(
            dataclasses.replace(it, name=names[it.name.lower()], plans=frozenset())
            if it.name is not None and it.name.lower() in names
            else it
            for it in source.columns
        )
        return Part(source.source, columns)

    def _drop(self, node: Any) -> Part:
        source = self._part(node.input)
        names = {it.lower() for it in node.column_names}
        gone = {it.text for it in source.columns if it.name is not None and it.name.lower() in names}
        for it in node.columns:
            if it.WhichOneof("expr_type") != "unresolved_attribute":
                raise SparkDecides("such a drop was not compared")
            plan = it.unresolved_attribute.plan_id if it.unresolved_attribute.HasField("plan_id") else None
            gone.add(source.find(it.unresolved_attribute.unparsed_identifier, plan).text)
        return dataclasses.replace(source, columns=tuple(it for it in source.columns if it.text not in gone))

    def _aggregate(self, node: Any) -> Part:
        source = self._part(node.input)
        if node.group_type != node.GROUP_TYPE_GROUPBY:
            raise SparkDecides("rollup, cube and pivot of a data frame were not compared")
        keys = [expression(it, source) for it in node.grouping_expressions]
        behind = f" GROUP BY {', '.join(keys)}" if keys else ""
        return self._selected(source, [*node.grouping_expressions, *node.aggregate_expressions], behind)

    def _join(self, node: Any) -> Part:
        name = node.JoinType.Name(node.join_type).removeprefix("JOIN_TYPE_")
        if name not in _JOINS or (node.using_columns and name not in ("INNER", "LEFT_OUTER", *_OF_LEFT_ALONE)):
            raise SparkDecides(f"such a join of data frames was not compared: {name.lower().replace('_', ' ')}")
        left, right = self._part(node.left), self._part(node.right)
        rows = f"r{next(self._rows)}", f"r{next(self._rows)}"
        both = told_apart([*left.columns, *right.columns])
        mine, theirs = both[: len(left.columns)], both[len(left.columns) :]
        sides = [
            f"(SELECT {_as(have, called)} FROM {side.source}) AS {row}"
            for side, have, called, row in zip(
                (left, right), (left.columns, right.columns), (mine, theirs), rows, strict=True
            )
        ]
        on = ""
        joined = Part("", (*mine, *theirs))
        shared: list[PlanColumn] = []
        if node.HasField("join_condition"):
            on = f" ON {expression(node.join_condition, joined)}"
        elif node.using_columns:
            pairs = [(Part("", mine).find(it), Part("", theirs).find(it)) for it in node.using_columns]
            shared = [other for _, other in pairs]
            on = f" ON {' AND '.join(f'{column_name(a.text)} = {column_name(b.text)}' for a, b in pairs)}"
            first = [one for one, _ in pairs]
            mine = (*first, *(it for it in mine if it not in first))
        columns = mine if name in _OF_LEFT_ALONE else (*mine, *(it for it in theirs if it not in shared))
        return self._query(f"SELECT {listed(columns)} FROM {sides[0]} {_JOINS[name]} {sides[1]}{on}", columns)

    def _set_operation(self, node: Any) -> Part:
        if node.set_op_type != node.SET_OP_TYPE_UNION or not node.is_all or node.allow_missing_columns:
            raise SparkDecides("such a union of data frames was not compared")
        left, right = self._part(node.left_input), self._part(node.right_input)
        theirs = tuple(right.find(it.name or "") for it in left.columns) if node.by_name else right.columns
        if len(theirs) != len(left.columns) or len(right.columns) != len(theirs):
            raise SparkDecides("a union of data frames of other columns was not compared")
        columns = tuple(PlanColumn(it.name, it.text) for it in left.columns)
        parts = f"SELECT {listed(left.columns)} FROM {left.source} UNION ALL SELECT {_as(theirs, columns)} FROM"
        return self._query(f"{parts} {right.source}", columns)

    def _sort(self, node: Any) -> Part:
        source = self._part(node.input)
        order = [sorted_by(it, source) for it in node.order]
        if not node.is_global:
            return source
        select = f"SELECT {listed(source.columns)} FROM {source.source} ORDER BY {', '.join(order)}"
        return self._query(select, source.columns)

    def _limit(self, node: Any) -> Part:
        if node.input.WhichOneof("rel_type") != "sort" or not node.input.sort.is_global:
            raise SparkDecides("limit of rows that are not sorted takes whichever come first")
        source = self._part(node.input.sort.input)
        order = ", ".join(sorted_by(it, source) for it in node.input.sort.order)
        select = f"SELECT {listed(source.columns)} FROM {source.source} ORDER BY {order} LIMIT {node.limit}"
        return self._query(select, source.of_plan(node.input.common.plan_id).columns)

    def _distinct(self, node: Any) -> Part:
        if not node.all_columns_as_keys or node.within_watermark:
            raise SparkDecides("dropDuplicates by some columns takes whichever rows come first")
        source = self._part(node.input)
        return self._query(f"SELECT DISTINCT {listed(source.columns)} FROM {source.source}", source.columns)

    def _alias(self, node: Any) -> Part:
        source = self._part(node.input)
        columns = tuple(dataclasses.replace(it, alias=node.alias) for it in source.columns)
        return dataclasses.replace(source, columns=columns)

    def _same_rows(self, node: Any) -> Part:
        return self._part(node.input)

    def _item(self, node: Any, source: Part) -> tuple[PlanColumn, str]:
        """Return what a selected expression is called, and its text."""
        text = expression(node, source)
        match node.WhichOneof("expr_type"):
            case "alias":
                (name,) = node.alias.name if len(node.alias.name) == 1 else ("",)
                if not name:
                    raise SparkDecides("an alias of several names was not compared")
                return self._made(name), text
            case "unresolved_attribute":
                it = node.unresolved_attribute
                return source.find(it.unparsed_identifier, it.plan_id if it.HasField("plan_id") else None), text
            case "expression_string":
                return _of_text(node.expression_string.expression, source)
        return self._made(None), text


def _of_text(text: str, source: Part) -> tuple[PlanColumn, str]:
    """Return what `selectExpr` selects: a column, or an expression with a name behind AS."""
    from sqlglot import exp

    item = require_expression(text)
    if isinstance(item, exp.Column) and len(item.parts) == 1:
        return source.find(text.strip()), own_text(text, source)
    raise SparkDecides("selectExpr and expr were compared for names of columns alone")


def _as(have: Sequence[PlanColumn], called: Sequence[PlanColumn]) -> str:
    pairs = zip(have, called, strict=True)
    return ", ".join(f"{column_name(it.text)} AS {column_name(other.text)}" for it, other in pairs)
