"""Sail: a second engine in this process, which answers at once what it is known to answer as Spark does.

Sail answers first, Spark decides: whatever is not known to be equal in both, and whatever Sail fails at, is Spark's.
"""
