from __future__ import annotations

import base64
import html
import io
import json
import re
import shlex
import threading
import urllib.parse

import pytest

from dataflow import secret
from dataflow.errors import DataflowError, UsageError
from dataflow.secret import MaskedStream, has_credentials, learn, masked, masked_data, without_credentials
from dataflow.workflow.parameters import resolve_secrets

VALUE = "S3c\"r é/t+\\x'&<y>"


@pytest.fixture(autouse=True)
def _forgotten():
    yield
    secret.forget()


@pytest.mark.parametrize(
    "encode",
    [
        str,
        repr,
        json.dumps,
        lambda it: json.dumps(it, ensure_ascii=False),
        lambda it: json.dumps({"a": json.dumps(it)}),
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda it: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(it, safe="")),
        lambda it: urllib.parse.quote(urllib.parse.quote(it, safe=""), safe=""),
        html.escape,
        lambda it: it.replace("'", "''"),
        shlex.quote,
        lambda it: re.sub(r"([^\w/+])", r"\\\1", it),  # as bash's `printf %q` has it
        lambda it: it.replace("'", "'\\''"),
        lambda it: repr(it.encode()),
        lambda it: "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in it.encode()),
        lambda it: it.encode().hex(),
        lambda it: it.encode().hex().upper(),
        str.lower,
    ],
)
def test_a_value_is_masked_however_it_is_encoded(encode):
    learn(VALUE)
    shown = masked(f"before {encode(VALUE)} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "***" in shown
    assert "S3c" not in shown


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", ":", ":x", "\n"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_masked_in_base_64_wherever_it_begins_as_in_a_login(before, after, encode):
    learn(VALUE)
    whole = encode((before + VALUE + after).encode()).decode()
    shown = masked(f"Basic {whole} follows")
    assert re.fullmatch(r"Basic [\w+/-]{0,8}\*\*\*[\w+/=-]{0,6} follows", shown)
    assert masked(json.dumps(whole).replace("/", "\\/")).count("***") == 1


@pytest.mark.parametrize("value", [VALUE, "a.*(b)[c]+?{2}^$|\\d", "hunter2", "hunter2-of-prod"])
@pytest.mark.parametrize("encode", [str, repr, urllib.parse.quote, json.dumps, shlex.quote])
def test_a_value_is_masked_in_whatever_pieces_it_is_written(value, encode):
    learn(value)
    learn("hunter2")
    text = f"before {encode(value)} after\n"
    for cut in range(len(text)):
        masking = secret.Masking()
        assert masking.feed(text[:cut]) + masking.feed(text[cut:]) + masking.rest() == masked(text)
    letter_by_letter = secret.Masking()
    assert "".join(map(letter_by_letter.feed, text)) + letter_by_letter.rest() == masked(text)


def test_secrets_that_overlap_are_masked_in_pieces_too():
    learn("abcdef")
    learn("efghij")
    masking = secret.Masking()
    assert masking.feed("xabcdef") + masking.feed("gh") + masking.feed(" and") + masking.rest() == "x***gh and"


def test_what_may_begin_a_secret_waits_and_is_not_lost():
    learn("hunter2")
    masking = secret.Masking()
    assert [masking.feed("a hun"), masking.feed("t"), masking.feed("ing hu"), masking.rest()] == [
        "a ",
        "",
        "hunting ",
        "hu",
    ]


def test_a_longer_value_goes_before_one_that_it_begins_with():
    learn("hunter2")
    learn("hunter2-of-prod")
    assert masked("it is hunter2-of-prod, not hunter2") == "it is ***, not ***"


def test_each_line_of_a_value_is_a_secret_as_programs_are_heard_line_by_line():
    learn("first-line\nsecond-line\n")
    assert masked("second-line") == "***"


def test_the_credentials_in_an_address_are_secrets_of_their_own():
    learn("postgresql://bob:hush%21hush@db/x?sslpassword=also-this")
    assert masked("login with hush!hush or hush%21hush or also-this") == "login with *** or *** or ***"
    assert masked("bob at db") == "bob at db"


def test_what_was_never_read_is_not_masked():
    assert masked("S3cr3t") == "S3cr3t"


def test_a_short_value_is_not_masked_and_warns_once(monkeypatch, capsys):
    monkeypatch.setenv("PIN", "12345")
    assert resolve_secrets("${secret:PIN} ${secret:PIN}") == "12345 12345"
    assert masked("12345") == "12345"
    assert capsys.readouterr().err.count("PIN is shorter than 6 characters") == 1


def test_an_error_of_ours_holds_no_secret(monkeypatch, tmp_path):
    (tmp_path / "word").write_text("S3cr3t-word\n")
    monkeypatch.setenv("MY_PW_FILE", str(tmp_path / "word"))
    resolve_secrets("${secret:MY_PW}")
    error = DataflowError("no such user: S3cr3t-word", "is S3cr3t-word right?")
    assert [error.message, error.hint, str(error)] == ["no such user: ***", "is *** right?", "no such user: ***"]
    assert str(UsageError("S3cr3t-word")) == "***"


def test_data_is_masked_at_any_depth_and_keeps_its_shape():
    learn("S3cr3t")
    assert masked_data({"a S3cr3t": ["S3cr3t", 1, ({"b": "x S3cr3t"},)]}) == {"a ***": ["***", 1, ({"b": "x ***"},)]}


def test_a_stream_masks_what_is_written_and_stays_a_stream():
    learn("S3cr3t")
    inner = io.StringIO()
    stream = MaskedStream(inner)
    print("the word is", "S3cr3t", file=stream)
    stream.writelines(["S3cr3t\n"])
    assert inner.getvalue() == "the word is ***\n***\n"
    assert stream.writable()
    with pytest.raises(TypeError):
        stream.write(b"")
    for letter in "and S3cr3t, S3":
        stream.write(letter)
    stream.end()
    assert inner.getvalue().endswith("and ***, S3")


def test_lines_that_threads_print_at_once_stay_whole():
    inner = io.StringIO()
    stream = MaskedStream(inner)
    gate = threading.Barrier(4)

    def print_lines(name):
        gate.wait()
        for number in range(200):
            print(name, "says", number, file=stream)

    threads = [threading.Thread(target=print_lines, args=(name,)) for name in "abcd"]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert sorted(inner.getvalue().splitlines()) == sorted(
        f"{name} says {number}" for name in "abcd" for number in range(200)
    )


def test_a_line_that_has_no_end_is_shown_when_flushed_when_it_is_long_or_at_the_end():
    inner = io.StringIO()
    stream = MaskedStream(inner)
    print("50 %", end="", file=stream)
    assert inner.getvalue() == ""
    print(", 60 %", end="", file=stream, flush=True)
    assert inner.getvalue() == "50 %, 60 %"
    print("x" * 100_000, end="", file=stream)
    assert inner.getvalue() == "50 %, 60 %" + "x" * 100_000
    other = threading.Thread(target=lambda: print("\nleft", end="", file=stream))
    other.start()
    other.join()
    stream.end()
    assert inner.getvalue().endswith("x\nleft")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("HTTPS://u:S@h/x", "HTTPS://h/x"),
        ("https://TOKEN@github.com/o/r", "https://github.com/o/r"),
        ("git+https://u:S3@h/x.git", "git+https://h/x.git"),
        ("s3://KEY:S/+x@bucket/p", "s3://bucket/p"),
        ("ssh://git:pw@h/x", "ssh://git@h/x"),
        ("postgresql://bob:hush@db.example/x", "postgresql://bob@db.example/x"),
        ("postgresql://u:p/w@host/db", "postgresql://u@host/db"),
        ("postgresql+psycopg:/u:S3cr3t@host/db", "postgresql+psycopg:/u@host/db"),
        ("u:S3cr3t@host/db", "u@host/db"),
        ("jdbc:postgresql://h/db?user=u&password=S&x=1", "jdbc:postgresql://h/db?user=u&x=1"),
        ("https://h/x?token=S", "https://h/x"),
        ("postgresql://h/d user=u password=S3cr3t", "postgresql://h/d user=u"),
        ("postgresql://h/d password = 'S3 cr3t' x=1", "postgresql://h/d x=1"),
        ("https://h/x?a=1&TOKEN=S#f", "https://h/x?a=1#f"),
        ("https://h/x?X-Amz-Signature=S&X-Amz-Credential=K", "https://h/x"),
    ],
)
def test_credentials_are_taken_out_of_an_address(address, shown):
    assert without_credentials(address) == shown
    assert has_credentials(address)


@pytest.mark.parametrize(
    "address",
    [
        "s3://b/k@v/x",
        "git@github.com:o/r.git",
        "ssh://git@h/x",
        "sqlite:////home/a@b:c",
        "http://h:80/a@b",
        "http://[::1]:80/x@y",
        "file:///home/x@y",
        "/home/x@y",
        "postgresql+psycopg://u@h:5432/d",
        "postgresql://${secret:U}:${secret:P}@h/x",
        "https://${secret:U}:${secret:P}@h/x",
        "thrift://h:9083",
        "jdbc:sqlite:/h/a@b?journal_mode=WAL&busy_timeout=30000",
        "",
    ],
)
def test_an_address_without_credentials_stays_as_it_is(address):
    assert without_credentials(address) == address
    assert not has_credentials(address)
