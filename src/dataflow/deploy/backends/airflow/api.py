"""Airflow's REST API (`/api/v2`); its token is a secret that is put in as a request leaves."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from dataflow.errors import DataflowError, UsageError
from dataflow.secret import learn, masked
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_TIMEOUT = 30.0
_ATTEMPTS = 5


class NotThere(DataflowError):
    """Airflow knows no such thing."""


@dataclass(frozen=True)
class AirflowApi:
    """Airflow's REST API.

    Attributes:
        address: Its address, without `/api/v2`.
        token: The token, as `${secret:NAME}`; None where it asks for none.
    """

    address: str
    token: str | None = None

    @classmethod
    def of(cls, environment: Environment) -> AirflowApi:
        """Return the API of an environment.

        Raises:
            UsageError: Its settings don't say where that is.
        """
        settings = environment.airflow
        if settings is None or settings.api is None:
            hint = "add `api:` and `token:` to its `airflow:` in dataflow.yaml, or look at Airflow's own page"
            raise UsageError(f"{environment.name} is run by Airflow, and nothing says where its API is", hint)
        return cls(settings.api, settings.token)

    def get(self, *path: str, **query: str | int) -> Any:
        """Return what stands at a path; its parts are escaped. A server that is busy is asked again."""
        import tenacity

        loop = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, DataflowError) and not error.permanent),
            wait=tenacity.wait_exponential(multiplier=0.5, max=8),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            reraise=True,
        )
        return loop(lambda: self._ask("GET", path, query, None))

    def post(self, *path: str, data: Mapping[str, Any]) -> Any:
        """Make something."""
        return self._ask("POST", path, {}, data)

    def patch(self, *path: str, data: Mapping[str, Any]) -> Any:
        """Change something."""
        return self._ask("PATCH", path, {}, data)

    def _ask(
        self, method: str, path: tuple[str, ...], query: Mapping[str, str | int], data: Mapping[str, Any] | None
    ) -> Any:
        parts = "/".join(quote(part, safe="~") for part in path)
        address = f"{resolve_secrets(self.address)}/api/v2/{parts}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {learn(resolve_secrets(self.token))}"
        body = None
        if data is not None:
            body, headers["Content-Type"] = json.dumps(data).encode(), "application/json"
        request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310 # http(s), as is validated
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except (OSError, ValueError) as error:
            reason = masked(str(getattr(error, "reason", error)))
            raise DataflowError(f"Airflow can't be reached at {masked(self.address)}: {reason}") from None

    def _refused(self, error: urllib.error.HTTPError) -> DataflowError:
        detail = _detail(error)
        if error.code in (401, 403):
            hint = "renew the token that `airflow: token` names"
            return DataflowError(f"Airflow refuses the token ({error.code}): {detail}", hint, permanent=True)
        if error.code == 404:
            return NotThere(f"Airflow answers: {detail}", permanent=True)
        return DataflowError(f"Airflow answers {error.code}: {detail}", permanent=error.code < 500)


def _detail(error: urllib.error.HTTPError) -> str:
    """Return why, in one line, as its answer has it."""
    try:
        found = json.loads(error.read())["detail"]
        text = found if isinstance(found, str) else json.dumps(found)
    except (OSError, ValueError, KeyError, TypeError):
        text = str(error.reason)
    return masked(" ".join(text.split())[:200])
