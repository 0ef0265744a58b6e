from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from dataflow.errors import DataflowError
from dataflow.jobs.spark import r_script
from dataflow.jobs.spark.r_script import find_r, require_r, run_r
from dataflow.spark.errors import short_java_message
from dataflow.spark.launch_env import SparkLaunch

needs_r = pytest.mark.tools("R")

# Stands for sparklyr: the connection is a list of what it was asked for, and what happens to it is printed.
SPARKLYR = """\
spark_connect <- function(master, app_name, config) {
  if (master == "nowhere") stop("no Spark at nowhere\\n\\n---- Output Log ----")
  cat("connected to", master, "as", app_name, "\\n")
  list(master = master, config = config, pid = system("sleep 60 >/dev/null & echo $!", intern = TRUE))
}
invoke_static <- function(sc, class, method) paste0(sc$pid, "@localhost")
spark_disconnect <- function(sc) {
  system(paste("kill", sc$pid))
  cat("disconnected\\n")
}
"""


@pytest.fixture(scope="session")
def r_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an R library that holds the stand-in for sparklyr."""
    source, library = tmp_path_factory.mktemp("source") / "sparklyr", tmp_path_factory.mktemp("library")
    (source / "R").mkdir(parents=True)
    (source / "DESCRIPTION").write_text("Package: sparklyr\nVersion: 0.0.1\nTitle: A Stand-In\n")
    (source / "NAMESPACE").write_text("export(spark_connect, spark_disconnect, invoke_static)\n")
    (source / "R" / "sparklyr.R").write_text(SPARKLYR)
    command = ["R", "CMD", "INSTALL", "--no-docs", f"--library={library}", str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return library


class Services:
    """Keeps what a script prints."""

    def __init__(self, lines: list[str], logged: list[str], is_cancelled) -> None:
        self.print_line = lines.append
        self.log_line = logged.append
        self.is_cancelled = is_cancelled


class Script:
    """A script in a folder of its own, run with the stand-in for sparklyr."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "job.R"
        self.conf = folder / "conf"
        self.lines: list[str] = []
        self.logged: list[str] = []

    def run(self, text: str, params: dict[str, str] | None = None, *, master: str = "local[2]", stopped=lambda: False):
        """Run a script and return all that was printed."""
        self.file.write_text(text, encoding="utf-8")
        launch = SparkLaunch({"spark.master": master}, Path("/spark"))
        services = Services(self.lines, self.logged, stopped)
        run_r(self.file, params or {}, services, master=master, variables=launch.variables(self.conf))
        return self.lines

    def fail(self, text: str, **options) -> DataflowError:
        """Run a script and return its failure."""
        with pytest.raises(DataflowError) as caught:
            self.run(text, **options)
        return caught.value


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, r_library: Path) -> Script:
    monkeypatch.setenv("R_LIBS", str(r_library))
    monkeypatch.chdir(tmp_path)
    return Script(tmp_path)


@needs_r
def test_main_gets_the_parameters_by_name_and_the_connection(script):
    lines = script.run(
        'main <- function(args, spark) cat(args$DAY, args$"a name", length(args), spark$master, sep = "|")\n',
        {"DAY": "2026-01-31", "a name": "a \"value\" with 'quotes', a \\ and $HOME"},
    )
    assert lines[1:] == ["2026-01-31|a \"value\" with 'quotes', a \\ and $HOME|2|local[2]"]


@needs_r
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_other_alphabets_and_line_ends_arrive_in_any_locale(script, monkeypatch, locale):
    monkeypatch.setenv("LC_ALL", locale)
    text = 'main <- function(args, spark) cat(args$ÅX == "日本\\n\\U1f600", args$ÅX, "\\n")\n'
    assert script.run(text, {"ÅX": "日本\n😀"})[1:3] == ["TRUE 日本", "😀 "]


@needs_r
def test_r_finds_the_run_s_spark_and_settings_where_sparklyr_looks(script, monkeypatch):
    monkeypatch.setenv("SPARK_HOME", "/another/spark")
    names = ["SPARK_HOME", "SPARK_HOME_VERSION", "SPARK_CONF_DIR", "SPARK_LOCAL_IP"]
    asked = ", ".join(f'"{name}"' for name in names)
    lines = script.run(f'main <- function(args, spark) cat(Sys.getenv(c({asked})), "", sep = "\\n")\n')
    assert lines[1:5] == ["/spark", "4.1.3", str(script.conf), "127.0.0.1"]


@needs_r
def test_settings_of_the_run_are_not_overruled_by_sparklyr_s_own(script):
    text = "main <- function(args, spark) with(spark$config, cat(`sparklyr.shell.driver-memory` == '', '\\n'))\n"
    assert script.run(text)[:2] == ["connected to local[2] as dataflow ", "TRUE "]


@needs_r
def test_a_script_s_own_lines_are_told_from_those_of_sparklyr_and_java(script):
    text = """\
26/11/24 17:38:00 INFO sparklyr: Gateway (86248) is starting
17:38:01 WARN NativeCodeLoader: Unable to load native-hadoop library
mine: 17 rows
26/11/24 17:38:02 ERROR sparklyr: Gateway (86248) failed: a.b.ParseException:
[PARSE_SYNTAX_ERROR] Syntax error

SELEC 1

\tat org.apache.spark.Parser.parse(Parser.scala:267)
Caused by: java.io.IOException: disk full
\t... 7 more
\tSuppressed: a.b.Another

mine: it went wrong, once more
17:38:03 ERROR Executor: Exception in task 0.0
org.apache.spark.SparkException: aborted
\tat org.apache.spark.Sql.run(Sql.scala:7)
mine: the end
"""
    (script.file.parent / "said.txt").write_text(text)
    lines = script.run('said <- readLines("said.txt")\nmain <- function(args, spark) writeLines(said)\n')
    assert lines[1:] == ["mine: 17 rows", "mine: it went wrong, once more", "mine: the end"]
    assert len(script.logged) == text.count("\n") - 3 + 1


@needs_r
def test_a_script_can_source_its_neighbours(script):
    (script.file.parent / "neighbour.R").write_text('answer <- function() "of the neighbour"\n')
    text = 'source("neighbour.R")\nmain <- function(args, spark) cat(answer(), "\\n")\n'
    assert "of the neighbour " in script.run(text)


@needs_r
def test_a_script_starts_in_the_folder_of_its_project_wherever_the_command_was_typed(script, monkeypatch, tmp_path):
    (tmp_path / "flow" / "src").mkdir(parents=True)
    (tmp_path / "flow" / ".Rprofile").write_text('cat("profile of", basename(getwd()), "\\n")\n')
    monkeypatch.chdir("/")
    script.file = tmp_path / "flow" / "src" / "job.R"
    lines = script.run('main <- function(args, spark) cat("in", basename(getwd()), "\\n")\n')
    assert [line for line in lines if "flow " in line and "dataflow" not in line] == ["profile of flow ", "in flow "]


@needs_r
def test_secrets_are_neither_on_the_command_line_nor_in_the_environment_nor_left_on_the_disk(script, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(script.file.parent))
    text = """\
main <- function(args, spark) {
  cat("is", args$TOKEN, "\\n")
  cat("in", commandArgs(), Sys.getenv(), "\\n")
  for (file in list.files(Sys.getenv("TMPDIR"), recursive = TRUE, full.names = TRUE)) {
    cat("in", readLines(file), "\\n")
  }
}
"""
    lines = script.run(text, {"TOKEN": "hush-hush"})
    assert [line for line in lines if "hush-hush" in line] == ["is hush-hush "]


@needs_r
def test_an_error_is_told_with_the_user_s_line(script):
    text = """\
main <- function(args, spark) {
  inner(1)
}

inner <- function(x) {
  y <- x + 1
  stop("it is ", y)
}
"""
    error = script.fail(text)
    assert error.message == 'job.R:7 in inner(): it is 2\n    stop("it is ", y)'
    assert not error.permanent
    assert "  job.R:2: inner(1)" in script.logged
    assert "disconnected" in script.logged


@needs_r
def test_an_error_in_a_pipe_is_told_with_the_line_of_the_call(script):
    (script.file.parent / "steps.R").write_text("""\
first <- function(x) {
  x
}

second <- function(x) {
  x |>
    first() |>
    as.Date()
}
""")
    text = 'source("steps.R")\nmain <- function(args, spark) {\n  first("b") |>\n    second() |>\n    first()\n}\n'
    assert script.fail(text).message == (
        "steps.R:8 in second(): character string is not in a standard unambiguous format\n    as.Date()"
    )


@needs_r
def test_an_error_in_an_argument_is_told_with_the_line_of_the_innermost_call(script):
    text = """\
main <- function(args, spark) {
  "not a day" |>
    as.Date() |>
    format() |>
    identity()
}
"""
    assert script.fail(text).message == (
        "job.R:3 in main(): character string is not in a standard unambiguous format\n    as.Date() |>"
    )


@needs_r
def test_an_error_that_the_script_handles_is_none(script):
    text = 'main <- function(args, spark) try(stop("never mind"), silent = TRUE)\n'
    assert script.run(text)[1:] == ['Error in try(stop("never mind"), silent = TRUE) : never mind'][:0]
    assert script.logged == ["disconnected"]


@needs_r
def test_an_error_outside_of_functions_is_told_with_its_line(script):
    message = script.fail('x <- 1\nlibrary("nothing.of.that.name")\n').message
    assert message.startswith("job.R:2: there is no package called")
    assert message.endswith('\n    library("nothing.of.that.name")')


@needs_r
def test_a_syntax_error_is_told_with_its_line(script):
    error = script.fail("x <- 1\ny <- 2 3\n")
    assert (error.message, error.permanent) == ("job.R:2: unexpected numeric constant\n    y <- 2 3", True)


@needs_r
def test_a_syntax_error_of_a_neighbour_is_told_with_its_line(script):
    (script.file.parent / "neighbour.R").write_text("f <- function( {\n")
    assert script.fail('source("neighbour.R")\n').message == "neighbour.R:1: unexpected '{'\n    f <- function( {"


@needs_r
def test_a_script_without_main_is_told_before_spark_starts(script):
    error = script.fail("man <- function(args, spark) 1\n")
    assert (error.message, error.permanent) == ("job.R has no main", True)
    assert "main(args, spark)" in error.hint
    assert not any("connected" in line for line in script.lines)


@needs_r
def test_a_script_that_ends_r_is_told_with_its_line(script):
    error = script.fail('main <- function(args, spark) {\n  if (TRUE) quit("no", status = 0)\n}\n')
    assert error.message == (
        'job.R:2 in main(): the script ends R: let main() return instead\n    if (TRUE) quit("no", status = 0)'
    )


@needs_r
def test_an_r_that_ends_before_main_returns_is_a_failure(script):
    error = script.fail('main <- function(args, spark) base::quit("no", status = 0)\n')
    assert error.message == "job.R: `main` did not return: R ended with exit code 0"


@needs_r
def test_an_r_that_was_killed_is_a_failure(script):
    error = script.fail("main <- function(args, spark) tools::pskill(Sys.getpid(), tools::SIGKILL)\n")
    assert error.message == "job.R: `main` did not return: R was ended by SIGKILL"


@pytest.mark.slow
@needs_r
def test_a_spark_that_dies_ends_r_which_would_wait_for_it(script):
    text = """\
main <- function(args, spark) {
  message("java.lang.OutOfMemoryError: Java heap space\\nmine: 17 rows")
  system(paste("kill", spark$pid))
  Sys.sleep(60)
}
"""
    began = time.monotonic()
    error = script.fail(text)
    assert error.message == "job.R: `main` did not return: Spark died: java.lang.OutOfMemoryError: Java heap space"
    assert time.monotonic() - began < 30


@needs_r
def test_a_spark_that_does_not_start_is_told_in_a_line(script):
    error = script.fail("main <- function(args, spark) 1\n", master="nowhere")
    assert error.message == "job.R: sparklyr could not start Spark: no Spark at nowhere"


@needs_r
def test_a_java_stack_is_cut_from_the_message(script):
    text = """\
told <- paste(
  "org.apache.spark.sql.catalyst.ExtendedAnalysisException: [TABLE_NOT_FOUND] There is no `x`. SQLSTATE: 42P01;",
  "line 1 pos 14;\\n'Project [*]\\n+- 'UnresolvedRelation [x]\\n\\n\\tat org.apache.spark.Sql.run(Sql.scala:7)"
)
main <- function(args, spark) {
  stop(told)
}
"""
    error = script.fail(text)
    assert error.message == "job.R:6 in main(): [TABLE_NOT_FOUND] There is no `x`.\n    stop(told)"
    assert error.permanent


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("object 'x' not found", "object 'x' not found"),
        (
            "org.apache.spark.SparkRuntimeException: [USER_RAISED_EXCEPTION] too many SQLSTATE: P0001\n\tat a.b(C:1)",
            "[USER_RAISED_EXCEPTION] too many",
        ),
        ("java.io.IOException: disk full\n\tat java.io.File.write(File.java:1)", "java.io.IOException: disk full"),
        (
            "org.apache.spark.SparkException: aborted\n\tat a.b(C:1)\nCaused by: java.io.IOException: disk full\n",
            "java.io.IOException: disk full",
        ),
        (
            "Failed to collect lazy table.\nCaused by error:\n! org.apache.spark.sql.catalyst.parser.ParseException: \n"
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nSELEC",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'.",
        ),
    ],
)
def test_what_java_says_is_told_without_its_stack(told, message):
    assert short_java_message(told) == message


@pytest.mark.slow
@needs_r
def test_a_run_that_is_stopped_ends_r_at_once(script):
    asked = threading.Event()
    threading.Timer(2.0, asked.set).start()
    began = time.monotonic()
    error = script.fail("main <- function(args, spark) Sys.sleep(60)\n", stopped=asked.is_set)
    assert error.message == "job.R was stopped"
    assert time.monotonic() - began < 15


@needs_r
@pytest.mark.usefixtures("script")
def test_r_and_the_packages_that_it_has_are_found():
    found = find_r()
    assert found.version[0].isdigit()
    assert found.packages["sparklyr"] == "0.0.1"
    assert "nothing.of.that.name" not in find_r(["nothing.of.that.name"]).packages


@needs_r
@pytest.mark.usefixtures("script")
def test_a_missing_package_is_told_with_what_installs_it():
    assert require_r(["sparklyr"]).packages == {"sparklyr": "0.0.1"}
    with pytest.raises(DataflowError) as caught:
        require_r(["sparklyr", "nothing.of.that.name"])
    assert caught.value.permanent
    assert caught.value.message == (
        "R has no package nothing.of.that.name; install it:  Rscript -e 'install.packages(\"nothing.of.that.name\")'"
    )


def test_a_missing_r_is_told_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for program in ("dnf", "sudo"):
        (tmp_path / program).touch(mode=0o755)
    assert find_r() is None
    with pytest.raises(DataflowError) as caught:
        require_r()
    assert (caught.value.message, caught.value.permanent) == (
        "R is not installed; install it:  sudo dnf install R",
        True,
    )


@pytest.mark.parametrize(
    ("names", "command"),
    [
        (["sparklyr"], "Rscript -e 'install.packages(\"sparklyr\")'"),
        (["sparklyr", "dplyr"], 'Rscript -e \'install.packages(c("sparklyr", "dplyr"))\''),
    ],
)
def test_one_command_installs_all_missing_packages(names, command):
    assert r_script.install_packages(names) == command
