from __future__ import annotations

import pytest

from dataflow.spark.errors import last_log_line
from dataflow.spark.jvm import class_path_of
from dataflow.spark.spark_home import spark_home


def test_the_class_path_is_one_order_with_spark_and_iceberg_in_it(tmp_path):
    iceberg, own = tmp_path / "iceberg-spark-runtime.jar", tmp_path / "own.jar"
    conf = {"spark.driver.extraClassPath": f"{own}:{iceberg}:{iceberg}"}
    found = class_path_of(conf)
    assert found == class_path_of(conf)
    assert len(found) == len(set(found))
    assert found[0].name.startswith("slf4j-api-")
    assert found[1] == iceberg
    assert set((spark_home() / "jars").glob("*.jar")) | {iceberg, own} == set(found)


def test_a_star_in_the_class_path_stands_for_the_jars_of_a_folder(tmp_path):
    for name in ("b.jar", "a.jar", "c.txt"):
        (tmp_path / name).write_text("")
    found = class_path_of({"spark.driver.extraClassPath": f"{tmp_path}/*"})
    assert [path.name for path in found if path.parent == tmp_path] == ["a.jar", "b.jar"]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "it printed nothing"),
        ("WARN a\nUnrecognized option: -XX:No\n", "Unrecognized option: -XX:No"),
        (
            'Exception in thread "main" java.lang.RuntimeException: no such thing\n\tat a.B.c(B.java:1)\n',
            "java.lang.RuntimeException: no such thing",
        ),
        (
            "Error occurred during initialization of VM\nMultiple garbage collectors selected\nmore\n",
            "Multiple garbage collectors selected",
        ),
    ],
)
def test_the_last_words_of_a_jvm_name_the_cause(log, words):
    assert last_log_line(log.splitlines()) == words
