"""`dataflow.yaml` and `identity.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflow.errors import DefinitionError, UsageError
from dataflow.workflow.project import Environment, Owner, Smtp, environment, find_project, read_identity

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """\
version: 1
project: stranger-data
owners:
  alice:
    email: alice@example.org
    webhook: ${secret:HOOK}
environments:
  production:
    branch: main
    state: postgresql://db/${dataflow.env}
    params:
      TARGET_DB: 007
    catalog:
      name: lake
      type: rest
      warehouse: s3://lake/${dataflow.user}
      cache-enabled: false
    spark:
      spark.sql.shuffle.partitions: 8
    notifications:
      smtp:
        host: localhost
        sender: dataflow@example.org
        password: ${secret:SMTP}
"""


def complaint(folder: Path, text: str) -> list[str]:
    (folder / "dataflow.yaml").write_text(text)
    with pytest.raises(DefinitionError) as error:
        find_project(folder)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    "master",
    ["local", "local[4]", "local-cluster[1,1,1024]", "spark://a:7077,b:7077", "yarn", "k8s://https://k.example:6443"],
)
def test_every_master_that_spark_has_is_taken(package: Path, master: str) -> None:
    file = package / "dataflow.yaml"
    file.write_text(f"version: 1\nproject: p\nenvironments:\n  x:\n    spark: {{spark.master: '{master}'}}\n")
    assert environment(find_project(package), "x").spark["spark.master"] == master


def test_masters_and_deploy_modes_that_spark_does_not_have_are_told_at_their_line(package: Path) -> None:
    text = "version: 1\nproject: p\nenvironments:\n  x:\n    spark:\n      spark.master: {}\n"
    where = f"{package / 'dataflow.yaml'}:5:5: "
    for master in ("spark://master", "sc://host:15002", "mesos://m:5050", "locals"):
        (line,) = complaint(package, text.format(master))
        assert line.endswith(f"'{master}' is not a master: local[*], spark://HOST:PORT, yarn or k8s://ADDRESS")
    (line,) = complaint(package, text.format("yarn") + "      spark.submit.deployMode: clustr\n")
    assert line.endswith("spark.submit.deployMode is client or cluster, not 'clustr'")
    assert ":5:" in line, where
    (line,) = complaint(package, text.format("local[2]") + "      spark.submit.deployMode: cluster\n")
    assert line.endswith("spark.submit.deployMode is cluster, and spark.master names none")


def test_without_a_file_there_is_the_sandbox(package: Path) -> None:
    project = find_project(package)
    assert (project.file, project.name) == (None, "titles")
    found = environment(project, None)
    assert found == Environment("sandbox", {"TARGET_DB": "${dataflow.user}_sandbox"}, isolated=True)
    assert found.catalog_name == "dataflow"
    with pytest.raises(UsageError, match=r"no environment 'production' here: there is no dataflow.yaml"):
        environment(project, "production")


def test_an_environment_has_its_settings(package: Path) -> None:
    (package.parent / "dataflow.yaml").write_text(PROJECT)
    project = find_project(package)
    assert (project.file, project.name) == (package.parent / "dataflow.yaml", "stranger-data")
    assert environment(project, "production") == Environment(
        name="production",
        params={"TARGET_DB": "007"},
        catalog={"name": "lake", "type": "rest", "warehouse": "s3://lake/alice", "cache-enabled": "false"},
        spark={"spark.sql.shuffle.partitions": "8"},
        state="postgresql://db/production",
        branch="main",
        smtp=Smtp(host="localhost", sender="dataflow@example.org", password="${secret:SMTP}"),
        owners={"alice": Owner("alice@example.org", "${secret:HOOK}")},
    )
    assert environment(project, "production").catalog_name == "lake"


def test_the_sandbox_is_there_beside_others_and_can_be_changed(package: Path) -> None:
    (package / "dataflow.yaml").write_text(PROJECT)
    assert environment(find_project(package), None).params == {"TARGET_DB": "${dataflow.user}_sandbox"}
    (package / "dataflow.yaml").write_text(PROJECT.replace("  production:", "  sandbox:"))
    assert environment(find_project(package), None).params == {"TARGET_DB": "007"}


def test_an_unknown_environment_names_the_nearest(package: Path) -> None:
    (package / "dataflow.yaml").write_text(PROJECT)
    with pytest.raises(UsageError, match=r"no environment 'prodution' in dataflow.yaml; did you mean 'production'\?"):
        environment(find_project(package), "prodution")


def test_mistakes_are_told_together_at_their_places(package: Path) -> None:
    text = PROJECT.replace("branch:", "brnch:").replace("TARGET_DB", "target").replace("user}", "usr}")
    text = text.replace("sender: dataflow@example.org", "port: x").replace("version: 1", "version: 3")
    assert complaint(package, text) == [
        "dataflow.yaml:1:10: 'version' should be 1, not 3",
        "dataflow.yaml:9:5: unknown key 'brnch'; did you mean 'branch'?",
        "dataflow.yaml:12:7: 'target' can't name a parameter: those are upper case",
        "dataflow.yaml:16:28: unknown built-in 'dataflow.usr'; did you mean 'dataflow.user'?",
        "dataflow.yaml:21:7: missing key 'sender'",
        "dataflow.yaml:23:15: 'port' should be a whole number, not 'x'",
    ]


def test_an_environments_parameter_is_blamed_where_it_stands(package: Path) -> None:
    from dataflow.workflow.load import load_workflow

    (package / "dataflow.yaml").write_text(PROJECT.replace("production", "sandbox").replace("007", "${dataflow.usr}"))
    with pytest.raises(DefinitionError) as error:
        load_workflow(package / "main.sch.yaml")
    assert str(error.value) == ("dataflow.yaml:12:18: unknown built-in 'dataflow.usr'; did you mean 'dataflow.user'?")


def test_an_identity_is_what_its_file_says(package: Path) -> None:
    found = read_identity(package)
    assert (found.owner, found.package_id, found.uuid, found.pinned) == ("alice", "alice.titles", "6f1c", True)
    (package / "identity.yaml").write_text("owner: alice\nuuid: 12\n")
    with pytest.raises(DefinitionError, match=r"identity.yaml:1:1: missing key 'package_id'"):
        read_identity(package)
