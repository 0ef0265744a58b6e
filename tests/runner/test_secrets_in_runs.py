"""A run that fails in many ways with a secret in hand: no sink has it afterwards."""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.long]

WORD = 'S3cr3t"é/word'
PIECES = ("S3cr3t", "/word", "geheim", base64.b64encode(WORD.encode()).decode()[:8])

PYTHON = """
import base64, json, os, subprocess, sys, urllib.parse
from pyspark.sql import functions as F

def main(args, spark):
    word = args["PW"]
    print("in hand:", word, base64.b64encode(word.encode()).decode())
    for letter in word:
        sys.stdout.write(letter)
    sys.stdout.buffer.write(word.encode())
    os.write(1, word.encode())
    subprocess.run(["echo", word])
    subprocess.run(["sh", "-c", "echo $0 >&2", word])
    {}
"""
WAYS = {
    "cast.sql": "INSERT INTO ${TARGET_DB}.sec SELECT CAST('${secret:MY_PW}' AS INT)",
    "parse.sql": "SELECT '${secret:MY_PW}' FRM nothing WHERE",
    "table.sql": "SELECT * FROM `${secret:MY_PW}`.t",
    "raised.sql": "SELECT raise_error('${secret:MY_PW}') FROM ${TARGET_DB}.sec",
    "raises.py": PYTHON.format('raise ValueError(f"bad login {word!r}")'),
    "udf.py": PYTHON.format('spark.range(1).select(F.udf(lambda n: n + int(word))("id")).collect()'),
    "column.py": PYTHON.format("spark.range(1).select(word).collect()"),
    "process.py": PYTHON.format('subprocess.run([sys.executable, "-c", "raise SystemExit(2)", word], check=True)'),
    "syntax.py": PYTHON.format('compile(word, word, "exec")'),
    "quoted.py": PYTHON.format("raise KeyError(json.dumps(args) + urllib.parse.quote(word))"),
    "fails.R": "main <- function(args, spark) stop(args$PW)",
    "audited.py": "def check(rows, args):\n    raise RuntimeError(args['PW'])\n",
}
R = """\
#!/bin/sh
if [ "$1" = -e ]; then printf '4.5.0\\nsparklyr 1.9.5\\ndplyr 1.1.4\\n'; exit; fi
echo "R says $MY_PW"; echo "Error: $MY_PW" >&2; exit 1
"""  # in place of R, which need not be there: what a program of a job prints is heard, and logged
DDL = "CREATE TABLE IF NOT EXISTS ${TARGET_DB}.sec (id INT); INSERT INTO ${TARGET_DB}.sec VALUES (1)"


def definition():
    jobs = [{"job": {"id": "ddl", "type": "Spark", "spark": {"script": "ddl.sql"}}}]
    jobs += [
        {"job": {"id": name.replace(".", "_"), "type": "Spark", "on_failure": "ignore", "spark": {"script": name}}}
        for name in WAYS
        if name != "audited.py"
    ]
    audits = [
        {"function": "sql_should_return_no_rows", "sql": "SELECT '${secret:MY_PW}' AS x FROM ${AUDITED}", "name": "s"},
        {"function": "python_should_pass", "script": "audited.py", "callable": "check", "name": "p"},
    ]
    for audit in audits:
        spec = {"table": "${TARGET_DB}.sec", "audits": [audit]}
        jobs.append({"job": {"id": f"audit_{audit['name']}", "type": "Audit", "on_failure": "ignore", "audit": spec}})
    hook = {"subject": "s", "message": "m", "webhook": "http://127.0.0.1:1/${secret:MY_PW}"}
    jobs.append({"job": {"id": "dead", "type": "Notification", "on_failure": "ignore", "notification": hook}})
    jobs.append({"job": {"id": "last", "type": "Spark", "spark": {"script": "cast.sql"}}})
    return {
        "version": 1,
        "workflow": {"id": "${dataflow.package_id}.main"},
        "params": {"PW": "${secret:MY_PW}"},
        "notifications": {"on_failure": ["${secret:HOOK}"]},
        "jobs": jobs,
    }


@pytest.fixture(scope="module")
def world(spark_commands, tmp_path_factory):
    """Run the workflow once; return the command line, what it printed, and what was posted."""
    folder = tmp_path_factory.mktemp("secrets")
    heard: list[bytes] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = spark_commands(folder / "work", folder / "home")
    for name, text in {**WAYS, "ddl.sql": DDL}.items():
        (command.folder / name).write_text(text)
    (command.folder / "main.sch.yaml").write_text(json.dumps(definition()))
    (command.folder / "dataflow.yaml").write_text(
        "version: 1\nproject: x\nenvironments:\n  sandbox:\n"
        '    spark: {spark.driver.extraJavaOptions: "-Dservice.token=geheim-${secret:TOKEN}"}\n'
    )
    (folder / "bin").mkdir()
    (folder / "bin" / "Rscript").write_text(R)
    (folder / "bin" / "Rscript").chmod(0o755)
    command.environ |= {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "MY_PW": WORD,
        "TOKEN": "geheim-token",
        "HOOK": f"http://127.0.0.1:{server.server_port}/{urllib.parse.quote(WORD, safe='')}",
        "OPENLINEAGE_URL": str(folder / "events.json"),
    }
    seen, over = [], threading.Event()

    def watch():
        while not over.is_set():
            seen.append(
                subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=False).stdout
            )
            time.sleep(0.3)

    threading.Thread(target=watch, daemon=True).start()
    done = command("workflow", "run", "main.sch.yaml", "--verbose", code=1)
    over.set()
    server.shutdown()
    return command, done, heard, seen, folder


def clean(text):
    return not any(piece in text for piece in PIECES)


def test_all_ways_failed_and_were_told(world):
    _, done, _, _, _ = world
    assert done.stderr.count("***") >= 10
    assert done.stderr.count(" failed\n") >= len(WAYS) + 2, done.stderr


def test_the_terminal_has_no_secret(world):
    command, done, _, _, _ = world
    assert clean(done.stdout + done.stderr), done.stdout + done.stderr
    for asked in (["show", "last"], ["show", "last", "--output", "json"], ["runs", "--output", "json"]):
        told = command("workflow", *asked)
        assert clean(told.stdout + told.stderr)


def test_the_records_have_no_secret_and_the_audit_s_sample_is_masked(world):
    command, _, _, _, folder = world
    for file in (folder / "home").glob("state.db*"):
        assert not any(piece.encode() in file.read_bytes() for piece in PIECES)
    (found,) = [it for it in command.json("workflow", "show", "last")["audits"] if it["name"] == "s"]
    assert found["sample"] == [{"x": "***"}]


def test_our_lines_of_the_log_have_no_secret(world):
    _, _, _, _, folder = world
    (log,) = (folder / "home" / "logs").glob("*.log")
    ours = [it for it in log.read_text().splitlines() if re.match(r"\d{8}t\d{6}_\w+/\S+ \| ", it)]
    assert ours
    assert all(map(clean, ours))
    assert log.stat().st_mode & 0o077 == 0


def test_events_have_no_secret(world):
    _, _, _, _, folder = world
    text = (folder / "events.json").read_text()
    assert json.loads(text)["run"]["facets"]["errorMessage"]
    assert clean(text)


def test_messages_have_no_secret(world):
    _, _, heard, _, _ = world
    assert len(heard) == 1
    assert clean(heard[0].decode())
    assert "***" in heard[0].decode()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at all processes with procps' ps")
def test_no_process_of_ours_has_a_secret_among_its_arguments(world):
    _, _, _, seen, _ = world
    java = [it for text in seen for it in text.splitlines() if "org.apache.spark.deploy.SparkSubmit" in it]
    assert java
    assert all("geheim" not in it for it in java)
