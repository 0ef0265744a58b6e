"""SQL with known lineage: Spark's own plans and the reading of the text alone are held to the same answers."""

from __future__ import annotations

import re

TABLES = {
    "li.plays": "id INT, hours DOUBLE, country STRING, day DATE, tags ARRAY<STRING>",
    "li.titles": "id INT, name STRING, maker STRUCT<who: STRING, at: DATE>",
    "li.other": "id INT, name STRING",
}
OUT = "id INT, name STRING, hours DOUBLE"
SCHEMA = {
    name: [part.split()[0] for part in re.split(r", (?=\w+ [A-Z])", columns)]
    for name, columns in {**TABLES, "li.out": OUT}.items()
} | {"li.titles": ["id", "name", "maker"]}
PRINTED_ONLY = "Spark's print can't be told apart"


def shown(flows):
    """Spell flows as `table.column -> column`, `~>` where they only decide."""
    return {
        f"{f.source}.{f.source_column} {'~>' if f.indirect else '->'} {f.target_column}"
        for f in flows
        if f.source_column
    }


CASES = {
    "a projection, an alias and an expression": (
        "INSERT INTO {out} SELECT id, upper(country) AS name, hours * 2 FROM li.plays",
        {"li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours"},
    ),
    "a filter and a join decide": (
        "INSERT INTO {out} SELECT p.id, t.name, p.hours FROM li.plays p JOIN li.titles t ON p.id = t.id "
        "WHERE country = 'US'",
        {
            "li.plays.id -> id", "li.titles.name -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.titles.id ~> ", "li.plays.country ~> ",
        },
    ),
    "an aggregate and its groups": (
        "INSERT INTO {out} SELECT id, max(country), sum(hours) FROM li.plays GROUP BY id HAVING count(day) > 0",
        {
            "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.plays.day ~> ",
        },
    ),
    "an aggregate of all rows": (
        "INSERT INTO {out} SELECT 1, 'x', sum(hours) FROM li.plays",
        {"li.plays.hours -> hours"},
    ),
    "a window": (
        "INSERT INTO {out} SELECT id, 'x', rank() OVER (PARTITION BY country ORDER BY hours) FROM li.plays",
        {"li.plays.id -> id", "li.plays.country ~> hours", "li.plays.hours ~> hours"},
    ),
    "a union takes from both sides, by position": (
        "INSERT INTO {out} SELECT id, country, hours FROM li.plays UNION ALL SELECT id, name, 0 FROM li.titles",
        {
            "li.plays.id -> id", "li.titles.id -> id", "li.plays.country -> name", "li.titles.name -> name",
            "li.plays.hours -> hours",
        },
    ),
    "a common table expression that is used twice": (
        "WITH c AS (SELECT id, sum(hours) AS h FROM li.plays GROUP BY id) "
        "INSERT INTO {out} SELECT a.id, 'x', b.h FROM c a JOIN c b ON a.id = b.id",
        {"li.plays.id -> id", "li.plays.hours -> hours", "li.plays.id ~> "},
    ),
    "an exploded array": (
        "INSERT INTO {out} SELECT id, tag, 0 FROM li.plays LATERAL VIEW explode(tags) AS tag",
        {"li.plays.id -> id", "li.plays.tags -> name"},
    ),
    "subqueries in a filter and in a value": (
        "INSERT INTO {out} SELECT id, name, (SELECT max(hours) FROM li.plays) FROM li.titles "
        "WHERE EXISTS (SELECT 1 FROM li.other o WHERE o.id = titles.id)",
        {
            "li.titles.id -> id", "li.titles.name -> name", "li.plays.hours -> hours",
            "li.other.id ~> ", "li.titles.id ~> ",
        },
    ),
    "a field of a struct": (
        "INSERT INTO {out} SELECT id, maker.who, 0 FROM li.titles",
        {"li.titles.id -> id", "li.titles.maker -> name"},
    ),
    "a call with more arguments than Spark prints by itself": (
        f"INSERT INTO {{out}} SELECT id, 'x', coalesce({', '.join(['NULL'] * 40)}, hours) FROM li.plays",
        {"li.plays.id -> id", "li.plays.hours -> hours"},
    ),
    "grouping sets": (
        "INSERT INTO {out} SELECT id, country, sum(hours) FROM li.plays GROUP BY GROUPING SETS ((id), (country))",
        {
            "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.plays.country ~> ",
        },
    ),
    "a pivot": (
        "INSERT INTO {out} SELECT id, 'x', US FROM (SELECT id, country, hours FROM li.plays) "
        "PIVOT (sum(hours) FOR country IN ('US' AS US, 'DE' AS DE))",
        {
            "li.plays.id -> id", "li.plays.hours -> hours", "li.plays.country -> hours",
            "li.plays.id ~> ", "li.plays.country ~> ",
        },
    ),
    "a MERGE, each column by itself": (
        "MERGE INTO {out} t USING (SELECT id, country, hours FROM li.plays) p ON t.id = p.id "
        "WHEN MATCHED AND p.hours > 1 THEN UPDATE SET name = p.country "
        "WHEN NOT MATCHED THEN INSERT (id, name, hours) VALUES (p.id, 'new', p.hours)",
        {
            "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.plays.hours ~> ",
        },
    ),
    "constants and counts, of some columns": (
        "INSERT INTO {out} (id, hours) SELECT count(*), 1 FROM li.plays WHERE country = 'US'",
        {"li.plays.country ~> "},
    ),
    "columns by their names": (
        "INSERT INTO {out} BY NAME SELECT hours, 1 AS id FROM li.plays",
        {"li.plays.hours -> hours"},
    ),
    "an UPDATE that asks another table": (
        "UPDATE {out} SET name = 'seen' WHERE id IN (SELECT id FROM li.plays WHERE hours > 3)",
        {"li.plays.id ~> ", "li.plays.hours ~> "},
    ),
    "a literal with brackets and commas": (
        "INSERT INTO {out} SELECT id, concat_ws(', ', '[x]', country, '(,)'), hours FROM li.plays "
        "WHERE country LIKE '%,[%'",
        {"li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours", "li.plays.country ~> "},
    ),
    "a literal with a bracket that nothing closes, where Spark's print can't be told apart": (
        "INSERT INTO {out} SELECT id, concat('[', country), hours FROM li.plays",
        {"li.plays.id ~> ", "li.plays.country ~> ", "li.plays.hours ~> "},
    ),
}  # fmt: skip
