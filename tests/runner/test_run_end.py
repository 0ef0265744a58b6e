"""Who hears of a run's end, by a real mail server on this machine."""

from __future__ import annotations

import pytest

from tests.support.servers import Mail

pytestmark = pytest.mark.spark

PROJECT = """
version: 1
project: p
owners:
  {user}:
    email: {user}@example.org
environments:
  sandbox:
    notifications:
      smtp:
        host: 127.0.0.1
        port: {port}
        sender: dataflow@example.org
        starttls: false
"""
SLOW = """
import time


def main(args, spark):
    time.sleep(8)
    spark.sql(f"INSERT INTO {args['TARGET_TABLE']} VALUES (1, 1.0, DATE '2026-01-01')")
"""


@pytest.fixture
def inbox(package):
    with Mail() as found:
        (package.folder / "dataflow.yaml").write_text(PROJECT.format(user=package.user, port=found.port))
        yield found


def test_the_owner_hears_of_a_failure_and_of_nothing_else(package, inbox):
    package.edit("main.sch.yaml", "params:\n", "notifications:\n  on_failure: [owner]\nparams:\n")
    package.add_source((1, 1.0, 1))
    assert package.run().status == "succeeded"
    assert inbox.mails == []

    package.add_source((1, 2.0, 1))
    result = package.run()
    assert result.status == "failed"
    ((recipients, mail),) = inbox.mails
    assert recipients == [f"{package.user}@example.org"]
    assert "failed" in mail["Subject"]
    text = mail.get_content()
    assert result.workflow.run_id in text
    assert "columns_should_be_unique" in text


def test_a_notification_job_sends_its_message(package, inbox):
    package.edit(
        "main.sch.yaml",
        "  - job:\n      id: hwm",
        "  - job:\n      id: tell\n      type: Notification\n      notification:\n        to: [owner]\n"
        "        subject: ${EXECUTION_DATE} is there\n        message: Look at ${TARGET_TABLE}.\n"
        "  - job:\n      id: hwm",
    )
    package.add_source((1, 1.0, 1))
    assert package.run().status == "succeeded"
    ((_, mail),) = inbox.mails
    assert mail["Subject"] == "2026-01-01 is there"
    assert package.target in mail.get_content()


def test_a_run_is_not_failed_by_a_message_that_can_t_be_sent(package):
    package.edit("main.sch.yaml", "params:\n", "notifications:\n  on_success: [owner]\nparams:\n")
    package.add_source((1, 1.0, 1))
    assert package.run().status == "succeeded"


def test_the_owner_hears_once_that_a_run_takes_long_while_it_goes_on(package, inbox):
    late = "notifications:\n  on_late: [owner]\n  longer_than: 1s\nparams:\n"
    package.edit("main.sch.yaml", "params:\n", late)
    package.write("write.py", SLOW)
    package.edit("main.sch.yaml", "write.sql", "write.py")
    package.add_source((1, 1.0, 1))
    result = package.run()
    assert result.status == "succeeded"
    ((subject, text),) = inbox.to(f"{package.user}@example.org")
    assert subject.strip() == f"{package.user}.package.main takes longer than 0:00:01 for 2026-01-01 in sandbox"
    assert f"stop  dataflow workflow cancel {result.workflow.run_id} --env sandbox\n" in text
