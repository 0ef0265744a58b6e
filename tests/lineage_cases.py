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
    """Spell flows as `table.column -> column`, `~>` where they only decide, `..` where a column is only named."""
    return {
        f"{f.source}.{f.source_column} {'~>' if f.indirect else '..' if f.is_naming else '->'} {f.target_column}"
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
    "a pivot that nobody looks at": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM (SELECT id, country, hours FROM li.plays) "
        "PIVOT (sum(hours) FOR country IN ('US' AS US, 'DE' AS DE))",
        {"li.plays.id -> id", "li.plays.id ~> ", "li.plays.country ~> ", "li.plays.hours .. "},
    ),
    "a subquery's column that nobody looks at": (
        "INSERT INTO {out} SELECT a.id, 'x', 0 FROM (SELECT id, country, hours * 2 AS more FROM li.plays) a",
        {"li.plays.id -> id", "li.plays.country .. ", "li.plays.hours .. "},
    ),
    "a common table expression's column that nobody looks at": (
        "WITH a AS (SELECT id, hours AS h FROM li.plays), b AS (SELECT * FROM a) "
        "INSERT INTO {out} SELECT id, 'x', 0 FROM b",
        {"li.plays.id -> id", "li.plays.hours .. "},
    ),
    "an aggregate that nobody looks at": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM (SELECT id, sum(hours) AS h FROM li.plays GROUP BY id)",
        {"li.plays.id -> id", "li.plays.id ~> ", "li.plays.hours .. "},
    ),
    "a window that nobody looks at": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM "
        "(SELECT id, rank() OVER (PARTITION BY country ORDER BY hours) AS r FROM li.plays)",
        {"li.plays.id -> id", "li.plays.country .. ", "li.plays.hours .. "},
    ),
    "a star names nothing, nor does what it is joined with": (
        "INSERT INTO {out} SELECT 0, name, 0 FROM (SELECT *, upper(country) AS more FROM li.plays) "
        "JOIN (SELECT * FROM li.titles) USING (id)",
        {"li.titles.name -> name", "li.plays.country .. ", "li.plays.id ~> ", "li.titles.id ~> "},
    ),
    "a star that leaves some out": (
        "INSERT INTO {out} SELECT 0, 'x', 0 FROM (SELECT * EXCEPT (tags) FROM li.plays) JOIN li.other",
        set(),
    ),
    "a list of all columns": (
        "INSERT INTO {out} SELECT 0, 'x', 0 FROM (SELECT id, name FROM li.other)",
        {"li.other.id .. ", "li.other.name .. "},
    ),
    "a star's column that is named further up": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM (SELECT day, id FROM (SELECT * FROM li.plays))",
        {"li.plays.id -> id", "li.plays.day .. "},
    ),
    "distinct rows are decided by all of their columns": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM (SELECT DISTINCT id, hours FROM li.plays)",
        {"li.plays.id -> id", "li.plays.id ~> ", "li.plays.hours ~> "},
    ),
    "a distinct union is decided by both sides": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM "
        "(SELECT id, country FROM li.plays UNION SELECT id, name FROM li.other)",
        {
            "li.plays.id -> id", "li.other.id -> id",
            "li.plays.id ~> ", "li.other.id ~> ", "li.plays.country ~> ", "li.other.name ~> ",
        },
    ),
    "a union's column that nobody looks at": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM "
        "(SELECT id, country FROM li.plays UNION ALL SELECT id, name FROM li.other)",
        {"li.plays.id -> id", "li.other.id -> id", "li.plays.country .. ", "li.other.name .. "},
    ),
    "a hint that spreads rows": (
        "INSERT INTO {out} SELECT /*+ REPARTITION(2, hours) */ id, 'x', 0 FROM li.plays",
        {"li.plays.id -> id", "li.plays.hours ~> "},
    ),
    "a clause that spreads rows": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM li.plays DISTRIBUTE BY hours SORT BY day",
        {"li.plays.id -> id", "li.plays.hours ~> ", "li.plays.day ~> "},
    ),
    "an exploded array that nobody looks at": (
        "INSERT INTO {out} SELECT id, 'x', 0 FROM li.plays LATERAL VIEW explode(array(hours)) t AS e",
        {"li.plays.id -> id", "li.plays.hours .. "},
    ),
    "a recursive query": (
        "INSERT INTO {out} WITH RECURSIVE r(n, h) AS (SELECT 1, max(hours) FROM li.plays "
        "UNION ALL SELECT n + 1, h FROM r WHERE n < 3) SELECT p.id, p.name, 0 FROM li.other p "
        "JOIN r ON p.id = r.n AND r.h > 0",
        {"li.other.id -> id", "li.other.name -> name", "li.other.id ~> ", "li.plays.hours ~> "},
    ),
    "a DELETE by its own columns": (
        "DELETE FROM {out} WHERE hours > 1 AND id IN (SELECT id FROM li.plays)",
        {"li.plays.id ~> ", "li.out.hours .. ", "li.out.id .. "},
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
        {"li.plays.id ~> ", "li.plays.hours ~> ", "li.out.id .. "},
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
