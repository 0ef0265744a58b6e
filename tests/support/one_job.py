"""A workflow of one job in Python, which the tests of environments give its script and its dependencies."""

MAIN = """\
version: 1
workflow:
  id: ${dataflow.package_id}.main
jobs:
  - job:
      id: one
      type: Spark
      spark:
        script: job.py
"""
