"""What of Spark's SQL was compared in both engines, and for which types; the differential tests hold both to it.

Types are kinds (`kinds.py`). Kind `-0.0` is a computed double that may be a negative zero, which Sail sorts before
zero, and Spark takes for zero. Kind `near` is a sum of doubles, or what is computed of one: its last digits depend on
the order of additions, which differs between engines, and between two runs of Spark. Kind `odd` is a column in which
there is a negative zero, or NaN (Iceberg leaves it out of its statistics, so that Spark passes over files by them), or
a value so large, or so small, that NaN may be computed of it.
"""

from __future__ import annotations

INTEGERS = frozenset({"int", "long"})
DOUBLES = frozenset({"double", "-0.0", "near"})
NUMBERS = INTEGERS | DOUBLES | {"decimal", "wide"}
MOMENTS = frozenset({"date", "timestamp", "ntz"})
SORTED = INTEGERS | MOMENTS | {"decimal", "wide", "double", "string", "boolean", "binary", "null"}
"""Kinds that both engines sort, group and join alike."""

ANY = SORTED | {"-0.0", "near", "odd", "float", "nested", "other"}
_TEXT = frozenset({"string", "null"})
_PARTS = INTEGERS | {"string", "boolean", "date", "null"}
_EXACT = INTEGERS | {"decimal", "null"}
_WHEN = MOMENTS | {"null"}
_WITH_NUMBER = INTEGERS | {"null"}
SAME = frozenset({"="})
"""A result of its arguments' kinds."""


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _each(names: str, arguments: frozenset[str], result: str | frozenset[str]) -> dict[str, _Function]:
    kinds = frozenset({result}) if isinstance(result, str) else result
    return dict.fromkeys(names.split(), (arguments, kinds))


_Function = tuple[frozenset[str], frozenset[str]]

FUNCTIONS: dict[str, _Function] = {
    **_each("count", ANY, "long"),
    **_each("sum", _EXACT | DOUBLES | {"wide"}, frozenset({"long", "wide"})),
    **_each("avg", _EXACT | DOUBLES | {"wide"}, frozenset({"double", "wide"})),
    **_each("min max", SORTED - {"binary"} | {"near"}, SAME),
    **_each("round", NUMBERS | {"odd", "null"}, "other"),
    **_each("sqrt", INTEGERS | {"double", "-0.0", "null"}, "odd"),
    **_each("grouping", ANY, "other"),
    **_each("explode posexplode", frozenset({"nested"}), "other"),
    **_each("element_at []", frozenset({"nested"}) | INTEGERS | {"string"}, "other"),
    **_each("split", _TEXT, "nested"),
    **_each("rlike regexp_like", _TEXT, "boolean"),
    **_each("regexp_replace", _TEXT, "string"),
    **_each("regexp_extract", _TEXT | {"int"}, "string"),
    **_each("date_format", _WHEN | {"string"}, "string"),
    **_each("datediff date_diff", _WHEN, "int"),
    **_each("current_date", frozenset(), "date"),
    **_each("row_number rank dense_rank ntile", SORTED, "int"),
    **_each("lag lead first_value last_value", SORTED | {"near"}, SAME),
    **_each("count_if", frozenset({"boolean", "null"}), "long"),
    **_each("bool_and bool_or every", frozenset({"boolean", "null"}), "boolean"),
    **_each("coalesce if", ANY, SAME),
    **_each("ifnull nvl", INTEGERS | {"string", "boolean", "null"} | DOUBLES, SAME),
    **_each("nullif", SORTED - {"binary"}, SAME),
    **_each("greatest least", SORTED - {"binary", "boolean"} | {"near"}, SAME),
    **_each("abs", _EXACT | DOUBLES | {"wide"}, SAME),
    **_each("upper lower ucase lcase trim ltrim rtrim replace", _TEXT, "string"),
    **_each("substring substr left right lpad rpad repeat", _TEXT | INTEGERS, "string"),
    **_each("reverse", _TEXT, "string"),
    **_each("length len char_length character_length octet_length", _TEXT, "int"),
    **_each("instr locate", _TEXT, "int"),
    **_each("startswith endswith contains", _TEXT, "boolean"),
    **_each("concat", _PARTS, "string"),
    **_each("concat_ws", _TEXT, "string"),
    **_each("year month day dayofmonth quarter dayofweek dayofyear weekofyear hour minute second", _WHEN, "int"),
    **_each("date_add date_sub add_months", _WHEN | {"int"}, "date"),
    **_each("last_day", _WHEN, "date"),
    **_each("date to_date", frozenset({"date", "timestamp", "ntz", "string", "null"}), "date"),
    **_each("date_trunc", frozenset({"timestamp", "string"}), "timestamp"),
    **_each("md5 sha1 sha", frozenset({"string", "binary", "null"}), "string"),
    **_each("size cardinality", frozenset({"nested"}), "int"),
    **_each("array named_struct", SORTED - {"binary"}, "nested"),
    **_each("range", INTEGERS, "other"),
    **_each("cast", ANY, "other"),
    **_each("try_cast", ANY, "other"),
    **_each("bigint int string double decimal rollup cube", frozenset(), "other"),
    "grouping sets": (frozenset(), frozenset({"other"})),
}
"""Functions, each with the kinds of arguments for which it was compared, and the kinds of its results."""

MENDED = {"datediff": ("CAST(", " AS INT)"), "date_diff": ("CAST(", " AS INT)")}
"""Functions that have another type in Sail, each with what is written before and behind a call."""

WITH_LITERALS = _words("left lpad repeat right rpad substr substring")
"""Functions whose arguments behind the first have to be literals: Sail takes negative ones otherwise."""

NAMED_ALIKE = _words(
    "abs avg bool_or coalesce concat count count_if datediff length lower max min month nullif round sqrt sum upper "
    "year"
)
"""Functions that a column of the result is named after alike, where they are written in lower case."""

DIFFERENT: dict[str, str] = {
    "approx_count_distinct": "its sketch is another one",
    "approx_percentile": "Sail interpolates, and has a double for it",
    "array_contains": "Sail has false for an array of nulls, where Spark has null",
    "array_distinct": "Sail takes -0.0 for 0.0 in arrays",
    "array_sort": "Sail sorts -0.0 before 0.0",
    "array_union": "Sail takes -0.0 for 0.0 in arrays",
    "bround": "Sail keeps the sign of zero",
    "cbrt": "its last digit is another one",
    "collect_list": "it depends on the order of rows",
    "collect_set": "it depends on the order of rows",
    "conv": "Sail has null for what is not a number",
    "exp": "its last digit is another one",
    "extract": "Sail counts days of a week from 0",
    "first": "it depends on the order of rows",
    "format_number": "Sail writes infinity and large numbers otherwise",
    "hash": "Sail has another one for decimals",
    "initcap": "Sail begins a word at each character that is not a letter",
    "isnan": "Sail has null for null, Spark false",
    "is_valid_utf8": "Sail has false for null",
    "last": "it depends on the order of rows",
    "ln": "its last digit is another one",
    "log": "Sail takes logarithms of 0 and of negative numbers",
    "log2": "its last digit is another one",
    "median": "Sail sorts NaN otherwise",
    "mod": "Sail has other types for it",
    "percentile_approx": "Sail interpolates, and has a double for it",
    "pmod": "Sail loses the sign of zero",
    "power": "its last digit is another one",
    "rand": "it is by chance",
    "regexp": "regular expressions of Java and of Rust differ",
    "regexp_count": "Sail has a bigint for it",
    "rint": "Sail rounds halves away from zero",
    "sentences": "Sail takes a dot in a number for an end",
    "sign": "Sail loses the sign of zero",
    "signum": "Sail loses the sign of zero",
    "sort_array": "Sail sorts -0.0 before 0.0",
    "timestamp": "Sail has no zone for it",
    "to_json": "Sail writes doubles otherwise",
    "unix_millis": "Sail rounds moments before 1970 up",
    "unix_seconds": "Sail rounds moments before 1970 up",
    "uuid": "it is by chance",
    "weekday": "Sail counts Sundays as -1",
    "width_bucket": "Sail has null for infinity",
}
"""Functions that differ, and why: queries that call them are Spark's. Of others nobody knows, which is the same."""

_TO_STRING = INTEGERS | {"string", "boolean", "date", "decimal", "null"}
CASTS: dict[str, frozenset[str]] = {
    "string": _TO_STRING,
    "int": frozenset({"int", "long", "string", "boolean", "null"}),
    "long": frozenset({"int", "long", "string", "boolean", "null"}),
    "double": frozenset({"int", "long", "decimal", "double", "null"}),
    "decimal": frozenset({"int", "long", "decimal", "null"}),
    "date": frozenset({"date", "string", "timestamp", "ntz", "null"}),
    "timestamp": frozenset({"date", "timestamp", "null"}),
    "boolean": frozenset({"boolean", "null"}),
}
"""Kinds to which both engines convert alike, each with those from which."""

_SIDES = frozenset({"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "NullSafeEQ", "Is"})
COMPARISONS = _SIDES

NODES: dict[str, frozenset[str]] = {
    name: frozenset(args.split())
    for name, args in {
        "Select": "expressions from_ where group having order limit offset joins laterals with_ distinct kind",
        "From": "this",
        "Where": "this",
        "Having": "this",
        "Group": "expressions grouping_sets rollup cube",
        "Rollup": "expressions",
        "Cube": "expressions",
        "GroupingSets": "expressions",
        "Order": "expressions",
        "Ordered": "this desc nulls_first",
        "Limit": "expression",
        "Offset": "expression",
        "Lateral": "this view outer alias",
        "Join": "this side kind on using",
        "With": "expressions",
        "CTE": "this alias",
        "Table": "this db catalog alias version",
        "TableAlias": "this columns",
        "Version": "this expression kind",
        "Subquery": "this alias",
        "Union": "this expression distinct order limit with_",
        "Except": "this expression distinct order limit with_",
        "Intersect": "this expression distinct order limit with_",
        "Values": "expressions alias",
        "Tuple": "expressions",
        "Alias": "this alias",
        "Column": "this table",
        "Identifier": "this quoted",
        "Star": "",
        "Literal": "this is_string",
        "Boolean": "this",
        "Null": "",
        "Paren": "this",
        "PropertyEQ": "this expression",
        "Neg": "this",
        "Not": "this",
        "And": "this expression",
        "Or": "this expression",
        **dict.fromkeys(_SIDES, "this expression"),
        "Add": "this expression",
        "Sub": "this expression",
        "Mul": "this expression",
        "Div": "this expression typed safe",
        "Mod": "this expression safe",
        "IntDiv": "this expression",
        "Interval": "this unit",
        "Bracket": "this expressions offset safe",
        "DPipe": "this expression safe",
        "In": "this expressions query",
        "Between": "this low high",
        "Exists": "this",
        "Like": "this expression",
        "Distinct": "expressions",
        "Cast": "this to",
        "TryCast": "this to safe requires_string",
        "DataType": "this expressions nested",
        "DataTypeParam": "this",
        "Case": "this ifs default",
        "If": "this true false",
        "Var": "this",
        "Window": "this partition_by order spec over alias",
        "WindowSpec": "kind start start_side end end_side",
        "Filter": "this expression",
    }.items()
}
"""Parts of a query by SQLGlot's names of them, each with what may be set on it."""

TOKENS_OF_SPARK = frozenset({"HINT", "PIPE_GT", "PARAMETER", "PLACEHOLDER", "COLON", "DCOLON", "ARROW", "FARROW"})
TOKENS_BEFORE_PARENTHESES: frozenset[str] = _words(
    "ALIAS ALL AND ANY BETWEEN BY CASE COMMA CUBE DASH DISTINCT DOT DPIPE ELSE EQ EXCEPT EXISTS FILTER "
    "FROM GROUP_BY GT GTE HAVING IN INTERSECT IS JOIN LIKE LIMIT LT LTE L_BRACKET L_PAREN MOD NEQ NOT "
    "NULLSAFE_EQ ON OR ORDER_BY OVER PARTITION_BY PLUS RLIKE R_BRACKET R_PAREN SELECT SLASH STAR THEN "
    "UNION USING VALUES WHEN WHERE WITH"
)
BARE_FUNCTIONS: frozenset[str] = _words(
    "CURRENT_CATALOG CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP SESSION_USER"
)
