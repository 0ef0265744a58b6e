"""What `${...}` stands for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import DataflowError, DefinitionError
from dataflow.workflow.parameters import (
    ParameterResolver,
    ParameterSource,
    placeholders,
    resolve_secrets,
    script_problems,
    substitute,
)
from dataflow.workflow.yamlfile import SourceLocation

SCRIPT = Path("write.sql")
HERE = SourceLocation(Path("x.yaml"), 1, 1)
NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="${}-/*'\"`\\"), max_size=20)


def complaint(text: str, **values: str) -> str:
    with pytest.raises(DefinitionError) as error:
        substitute(text, {**values, "dataflow.user": "alice"}, where=SCRIPT)
    return str(error.value)


def resolver(**texts: str) -> ParameterResolver:
    return ParameterResolver({name: ParameterSource(text, "definition", HERE) for name, text in texts.items()}, {})


# ------------------------------------------------------------------------------------------- scripts


def test_a_script_gets_its_values() -> None:
    text = "SELECT '${A}', ${dataflow.user} FROM ${B}.t"
    assert (
        substitute(text, {"A": "1", "B": "db", "dataflow.user": "alice"}, where=SCRIPT) == "SELECT '1', alice FROM db.t"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1\n  FROM ${TABEL}", "write.sql:2:8: undefined parameter 'TABEL'; did you mean 'TABLE'?"),
        ("${table}", "write.sql:1:1: 'table' is not a parameter: those are upper case; did you mean 'TABLE'?"),
        ("${user}", "write.sql:1:1: 'user' is not a parameter: those are upper case; did you mean 'dataflow.user'?"),
        ("${dataflow.usr}", "write.sql:1:1: unknown built-in 'dataflow.usr'; did you mean 'dataflow.user'?"),
        ("${dataflow.each}", "write.sql:1:1: 'dataflow.each' has a value inside a foreach alone"),
        ("${TABLE", "write.sql:1:1: '${' without a closing '}'"),
        ("${}", "write.sql:1:1: '' is not a parameter: those are upper case; valid here: TABLE"),
        ("${secret:a-b}", "write.sql:1:1: 'a-b' can't name a secret: letters, digits and underscores only"),
        *(
            (f"${{{kind}:HOME}}", f"write.sql:1:1: '${{{kind}:...}}' is refused: pass a parameter, "
             "or a secret as ${secret:NAME}")
            for kind in ("env", "system", "hiveconf", "hivevar", "spark")
        ),
    ],
)  # fmt: skip
def test_a_wrong_placeholder_is_told_at_its_place(text: str, said: str) -> None:
    assert complaint(text, TABLE="t") == said


def test_all_wrong_placeholders_are_told_together() -> None:
    assert len(complaint("${A}\n${B}\n${A}").splitlines()) == 3


@pytest.mark.parametrize(
    "comment",
    ["-- ${X}", "/* ${X} */", "/* /* ${X} */ ${X} */", "--${X}\\\n${X}", "SELECT 'it''s' -- '${X}"],
)
def test_comments_stay_as_they_are(comment: str) -> None:
    assert substitute(comment, {}, where=SCRIPT) == comment


@pytest.mark.parametrize(
    "code",
    ["SELECT '-- ${X}'", "SELECT \"/*\" + ${X} + \"*/\"", "SELECT '\\'--${X}'", "SELECT r'\\' || ${X}",
     "SELECT `--${X}`", "SELECT /*+ COALESCE(${X}) */ 1", "/* a */ ${X}", "-- a\n${X}"],
)  # fmt: skip
def test_what_only_looks_like_a_comment_is_filled(code: str) -> None:
    assert substitute(code, {"X": "7"}, where=SCRIPT) == code.replace("${X}", "7")


def test_a_doubled_dollar_means_the_text_itself() -> None:
    assert substitute("SELECT '$${X}', $${env:HOME}", {"X": "7"}, where=SCRIPT) == "SELECT '${X}', ${env:HOME}"


def test_a_value_is_not_filled_again() -> None:
    assert substitute("${A}", {"A": "${B}", "B": "no"}, where=SCRIPT) == "${B}"


@given(st.dictionaries(NAMES, PLAIN, min_size=1), st.data())
def test_no_placeholder_is_left(values: dict[str, str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.tuples(PLAIN, st.sampled_from(sorted(values)))))
    text = "".join(f"{before}${{{name}}}" for before, name in chosen)
    filled = substitute(text, values, where=SCRIPT)
    assert filled == "".join(before + values[name] for before, name in chosen)
    assert not list(placeholders(filled))


@given(st.text("AB${}:-/*'\" \n.dsecrt", max_size=40))
def test_any_script_is_filled_or_refused(text: str) -> None:
    found = script_problems(text, {"A", "B"}, SCRIPT)
    assert all(problem.line <= text.count("\n") + 1 for problem in found)
    if not found:
        filled = substitute(text, {"A": "1", "B": "2"}, where=SCRIPT)
        assert "${" in text or filled == text


# ------------------------------------------------------------------------------------------- secrets


def test_a_secret_stays_until_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    text = substitute("${secret:TOKEN}", {}, where=SCRIPT)
    assert text == "${secret:TOKEN}"
    monkeypatch.setenv("TOKEN", "s3cret")
    assert resolve_secrets(f"a {text} b") == "a s3cret b"


def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from a file\n", encoding="utf-8")
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))
    assert resolve_secrets("${secret:TOKEN}") == "from a file"


def test_a_missing_secret_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataflowError, match="secret NO_SUCH is not set") as error:
        resolve_secrets("${secret:NO_SUCH}")
    assert error.value.hint == "set the environment variable NO_SUCH, or NO_SUCH_FILE to a file that holds it"
    monkeypatch.setenv("NO_SUCH_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(DataflowError, match="can't read secret NO_SUCH"):
        resolve_secrets("${secret:NO_SUCH}")


# --------------------------------------------------------------------------- parameters of parameters


def test_a_cycle_is_told_once_and_in_full() -> None:
    found = resolver(A="${B}", B="x${C}", C="${A}", D="${A}")
    assert [found.value(name) for name in "ABCD"] == [None] * 4
    assert [problem.message for problem in found.problems] == ["parameters refer to each other: A -> B -> C -> A"]


def test_what_depends_on_a_mistake_is_not_told_again() -> None:
    found = resolver(A="${NOPE}", B="${A}", C="${B} ${A}")
    assert [found.value(name) for name in "CBA"] == [None] * 3
    assert len(found.problems) == 1


@pytest.mark.slow
@given(st.data())
def test_values_do_not_depend_on_the_order_of_resolving(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    texts = {}
    for i, name in enumerate(names):  # each may refer to those before it: no cycles
        used = data.draw(st.lists(st.sampled_from(names[:i]), max_size=3)) if i else []
        texts[name] = data.draw(PLAIN) + "".join(f"${{{other}}}" for other in used)
    order = data.draw(st.permutations(names))
    one, other = resolver(**texts), resolver(**texts)
    values = {name: one.value(name) for name in names}
    assert {name: other.value(name) for name in order} == values
    assert not one.problems
    assert all(value is not None and not re.search(r"\$\{[A-Z]", value) for value in values.values())


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_every_ring_of_parameters_is_found(names: list[str]) -> None:
    ring = resolver(**{name: f"${{{names[(i + 1) % len(names)]}}}" for i, name in enumerate(names)})
    assert [ring.value(name) for name in names] == [None] * len(names)
    assert len(ring.problems) == 1
    assert all(name in ring.problems[0].message for name in names)
