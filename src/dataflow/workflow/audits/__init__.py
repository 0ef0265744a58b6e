"""The audits of a definition, a module for each function: `base` says what one is made of."""

from __future__ import annotations

import functools
import importlib
import operator
import pkgutil
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from dataflow.workflow.audits.base import AuditBase, RowAudit
from dataflow.workflow.audits.python_function import PythonAudit
from dataflow.workflow.audits.sql_query import SqlAudit

__all__ = ["Audit", "AuditBase", "PythonAudit", "RowAudit", "SqlAudit", "audit_models"]


def audit_models() -> tuple[type[AuditBase], ...]:
    """Return the model of each audit function that there is, in the order of their modules' names."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(
        value
        for module in modules
        if module.__name__ != AuditBase.__module__
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, AuditBase) and value.__module__ == module.__name__
    )


if TYPE_CHECKING:  # the kinds that code tells apart; which functions there are is seen when it is imported
    Audit = RowAudit | SqlAudit | PythonAudit
else:
    Audit = Annotated[functools.reduce(operator.or_, audit_models()), Field(discriminator="function")]
    """An audit; its `function` says which."""
