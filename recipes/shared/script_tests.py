def test_the_top_titles_of_each_{{ unit }}(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)

    write_{{ unit }}s(dataflow, source, target, "{{ period_before }}", "{{ period }}")

    dataflow.assert_rows(target, EXPECTED)


{% if cadence == 'daily' %}
def test_writing_a_day_again_changes_neither_it_nor_others(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)

    write_days(dataflow, source, target, "2026-01-31", "2026-01-30", "2026-01-31")

    dataflow.assert_rows(target, EXPECTED)
{% else %}
def test_writing_{{ 'an' if unit == 'hour' else 'a' }}_{{ unit }}_again_changes_nothing(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)
    before, {{ unit }} = "{{ period_before }}", "{{ period }}"

    write_{{ unit }}s(dataflow, source, target, {{ unit }}, before, {{ unit }})

    dataflow.assert_rows(target, EXPECTED)
{% endif %}


def write_{{ unit }}s(dataflow: Dataflow, source: str, target: str, *{{ unit }}s: str) -> None:
    for {{ unit }} in {{ unit }}s:
        dataflow.run_script(
            "{{ script }}",
            SOURCE_TABLE=source,
            TARGET_TABLE=target,
            EXECUTION_DATE={{ unit }},
        )
