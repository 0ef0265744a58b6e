"""GitHub's and Jira's issues on this machine: servers with a state, which keep to the documented REST contracts.

GitHub: docs.github.com/rest/issues (list by label and state, create, get, update, comment), rate limits by 403 or 429
with `Retry-After` or `x-ratelimit-reset`. Jira: developer.atlassian.com, REST API 2 (serverInfo, search by JQL, create,
get, edit, transitions, comment). GitHub drops labels and assignees of who may not set them; Jira refuses them.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "hush-hush-token"


def now():
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Fault:
    """An answer in the place of the right one.

    Attributes:
        method: Of which requests.
        path: A pattern of their paths.
        status: The answer's status; 0 hangs up.
        headers: Its headers.
        body: What it says.
        done: Whether what was asked for is done all the same.
        times: How often.
    """

    method: str
    path: str
    status: int
    headers: dict = field(default_factory=dict)
    body: object = None
    done: bool = False
    times: int = 1


class TrackerServer:
    """A web server with issues."""

    def __init__(self):
        self.issues, self.requests, self.faults = [], [], []
        self.blocks, self.blocked, self.go_on = None, threading.Event(), threading.Event()
        lock, tracker = threading.RLock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                body = json.loads(text) if text else {}
                parts = urlsplit(self.path)
                with lock:
                    tracker.requests.append((self.command, parts.path, body))
                    fault = tracker.fault(self.command, parts.path)
                    found = (0, {}, None)
                    if fault is None or fault.done:
                        found = tracker.serve(self.command, parts.path, parse_qs(parts.query), body, self.headers)
                if tracker.blocks and tracker.blocks == (self.command, parts.path):
                    tracker.blocked.set()
                    tracker.go_on.wait(30)
                if fault is not None:
                    found = (fault.status, fault.headers, fault.body)
                self.send(*found)

            def send(self, status, headers, body):
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                with contextlib.suppress(ConnectionError):  # whoever asked was killed
                    self.write(status, headers, text)

            def write(self, status, headers, text):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, method, path, status, **more):
        self.faults.append(Fault(method, path, status, **more))

    def fault(self, method, path):
        """Return what goes wrong with a request."""
        for it in self.faults:
            if it.times and it.method == method and re.search(it.path, path):
                it.times -= 1
                return it
        return None

    def asked(self, method, path=""):
        """Return the bodies of requests."""
        return [body for verb, where, body in self.requests if verb == method and re.search(path, where)]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


class GithubServer(TrackerServer):
    """GitHub's REST API of the repository acme/data."""

    kind = "github"
    users = ("bob-gh", "dave-gh")

    def __init__(self):
        super().__init__()
        self.may_push = True

    @property
    def settings(self):
        return f"""\
tracker:
  type: github
  url: {self.address}
  repository: acme/data
  token: ${{secret:TRACKER_TOKEN}}
  labels: [data]
"""

    def person(self, name):
        return f"{name}-gh"

    def serve(self, method, path, query, body, headers):  # noqa: PLR0911
        if headers.get("Authorization") != f"token {TOKEN}" and headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {}, {"message": "Bad credentials"}
        place = re.fullmatch(r"/repos/acme/data/issues(?:/(\d+)(/comments)?)?", path)
        if not place:
            return 404, {}, {"message": "Not Found"}
        number, comments = place.groups()
        if number is None:
            return self._list(query) if method == "GET" else self._create(body)
        issue = next((it for it in self.issues if it["number"] == int(number)), None)
        if issue is None:
            return 404, {}, {"message": "Not Found"}
        if comments:
            if method == "GET":
                return 200, {}, issue["_comments"]
            comment = {"id": len(issue["_comments"]) + 1, "body": body["body"], "url": f"{issue['url']}/comments/1"}
            issue["_comments"].append(comment)
            return 201, {}, comment
        if method == "PATCH":
            if wrong := self._wrong(body):
                return wrong
            issue["updated_at"] = now()
            issue.update({name: body[name] for name in ("title", "body", "state", "state_reason") if name in body})
        return 200, {}, self._shown(issue)

    def _list(self, query):
        state, wanted = query.get("state", ["open"])[0], {*query.get("labels", [""])[0].split(",")} - {""}
        since = query.get("since", [""])[0]
        page, size = int(query.get("page", ["1"])[0]), int(query.get("per_page", ["30"])[0])
        found = [
            it for it in reversed(self.issues)
            if state in {"all", it["state"]} and it["updated_at"] >= since
            and wanted <= {label["name"] for label in it["labels"]}
        ]  # fmt: skip
        cut = found[(page - 1) * size : page * size]
        following = f"page={page + 1}&state={state}&labels={','.join(wanted)}"
        link = f'<{self.address}/repos/acme/data/issues?{following}>; rel="next"'
        return 200, {"Link": link} if len(found) > page * size else {}, [self._shown(it) for it in cut]

    def _create(self, body):
        if wrong := self._wrong(body):
            return wrong
        number = len(self.issues) + 1
        url = f"{self.address}/repos/acme/data/issues/{number}"
        labels = body.get("labels", []) if self.may_push else []
        issue = {
            "id": number, "number": number, "url": url, "html_url": f"https://github.test/acme/data/issues/{number}",
            "title": body["title"], "body": body.get("body"), "state": "open", "created_at": now(), "updated_at": now(),
            "labels": [{"name": name, "url": f"{self.address}/repos/acme/data/labels/{name}"} for name in labels],
            "assignees": [{"login": it} for it in body.get("assignees", []) if self.may_push], "_comments": [],
        }  # fmt: skip
        self.issues.append(issue)
        return 201, {}, self._shown(issue)

    def _wrong(self, body):
        if len(body.get("title", "")) > 256 or len(body.get("body") or "") > 65536:
            return 422, {}, {"message": "Validation Failed", "errors": [{"field": "body", "code": "too_long"}]}
        for name in body.get("assignees", []):
            if name not in self.users:
                error = {"resource": "Issue", "field": "assignees", "code": "invalid", "value": name}
                return 422, {}, {"message": "Validation Failed", "errors": [error]}
        return None

    def _shown(self, issue):
        return {name: value for name, value in issue.items() if not name.startswith("_")}

    # What tests look at, of either server:

    def rows(self):
        return [(it["title"], it["body"], it["state"]) for it in self.issues]

    def comments(self, number):
        return [it["body"] for it in self.issues[number - 1]["_comments"]]

    def labels(self, number):
        return [it["name"] for it in self.issues[number - 1]["labels"]]

    def assignee(self, number):
        return next((it["login"] for it in self.issues[number - 1]["assignees"]), None)

    def key(self, number):
        return f"acme/data#{number}"

    def set_state(self, number, state):
        self.issues[number - 1]["state"] = state

    def delete(self, number):
        self.issues[number - 1]["number"] = -1

    place = r"/issues$"
    limit = (
        403,
        {"Retry-After": "1"},
        {"message": "You have exceeded a secondary rate limit."},
    )


STATUSES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}


class JiraServer(TrackerServer):
    """Jira's REST API of the project DATA: Data Center's, or Cloud's."""

    kind = "jira"
    users = ("bob-jira", "dave-jira")

    def __init__(self, *, cloud=False):
        super().__init__()
        self.cloud = cloud
        self.screen = {"summary", "description", "labels", "assignee", "project", "issuetype", "duedate", "components"}
        self.required, self.index_lag = set(), 0
        self.transitions = {"11": ("Reopen", "To Do"), "21": ("Start", "In Progress"), "31": ("Resolve", "Done")}

    @property
    def settings(self):
        user = "  user: bot@example.org\n" if self.cloud else ""
        return f"""\
tracker:
  type: jira
  url: {self.address}
  project: DATA
  token: ${{secret:TRACKER_TOKEN}}
{user}  labels: [data]
"""

    def person(self, name):
        return f"{name}-jira"

    def serve(self, method, path, query, body, headers):
        basic = "Basic " + base64.b64encode(f"bot@example.org:{TOKEN}".encode()).decode()
        if path == "/rest/api/2/serverInfo":
            kind = "Cloud" if self.cloud else "Server"
            return 200, {}, {"versionNumbers": [9, 12, 0], "version": "9.12.0", "deploymentType": kind}
        if headers.get("Authorization") != (basic if self.cloud else f"Bearer {TOKEN}"):
            return 401, {}, {"errorMessages": ["You are not authenticated."], "errors": {}}
        if path == "/rest/api/2/field":  # which the client asks for names
            return 200, {}, [{"id": it, "name": it.title(), "clauseNames": [it]} for it in (*self.screen, "status")]
        if path == ("/rest/api/2/search/jql" if self.cloud else "/rest/api/2/search"):
            return self._search(query if method == "GET" else {name: [value] for name, value in body.items()})
        if path == "/rest/api/2/issue" and method == "POST":
            return self._create(body["fields"])
        return self._of_issue(method, path, body)

    def _of_issue(self, method, path, body):
        place = re.fullmatch(r"/rest/api/2/issue/([^/]+)(?:/(transitions|comment))?", path)
        issue = next((it for it in self.issues if place and place[1] in {it["key"], it["id"]}), None)
        if issue is None:
            return 404, {}, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
        if place[2] == "transitions":
            return self._transition(issue, method, body)
        if place[2] == "comment":
            issue["_comments"].append(body["body"])
            return 201, {}, {"id": "1", "body": body["body"], "self": f"{issue['self']}/comment/1"}
        if method == "PUT":
            if wrong := self._wrong(body["fields"]):
                return wrong
            issue["fields"].update(body["fields"])
            return 204, {}, None
        return 200, {}, self._shown(issue)

    def _search(self, query):
        jql = query["jql"][0]
        asked = re.fullmatch(r'project = "DATA" AND labels = "([\w.-]+)" ORDER BY created ASC', jql)
        if not asked:
            return 400, {}, {"errorMessages": [f"Error in the JQL Query: {jql}"], "errors": {}}
        if self.index_lag:
            self.index_lag -= 1
            found = []
        else:
            found = [self._shown(it) for it in self.issues if asked[1] in it["fields"]["labels"]]
        more = {"isLast": True} if self.cloud else {"startAt": 0, "maxResults": 50, "total": len(found)}
        return 200, {}, {"issues": found[:1], **more}

    def _create(self, fields):
        if fields.get("project") != {"key": "DATA"}:
            return 400, {}, {"errorMessages": [], "errors": {"project": "valid project is required"}}
        if wrong := self._wrong(fields, self.required):
            return wrong
        number = len(self.issues) + 1
        status = {"name": "To Do", "statusCategory": {"key": "new"}}
        me = f"{self.address}/rest/api/2/issue/{number}"
        issue = {"id": str(number), "key": f"DATA-{number}", "self": me, "fields": {**fields, "status": status}}
        self.issues.append({**issue, "_comments": []})
        return 201, {}, {name: issue[name] for name in ("id", "key", "self")}

    def _wrong(self, fields, required=()):
        errors = {it: f"{it} is required." for it in required if it not in fields}
        unset = "cannot be set. It is not on the appropriate screen, or unknown."
        errors |= {it: f"Field '{it}' {unset}" for it in fields if it not in self.screen}
        if "\n" in fields.get("summary", "") or len(fields.get("summary", "")) > 255:
            errors["summary"] = "The summary is invalid."
        if len(fields.get("description", "")) > 32767:
            errors["description"] = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
        if any(re.search(r"\s", label) for label in fields.get("labels", [])):
            errors["labels"] = "The label contains spaces which is invalid."
        who = fields.get("assignee")
        if who is not None and who.get("accountId" if self.cloud else "name") not in self.users:
            errors["assignee"] = "User cannot be assigned issues."
        return (400, {}, {"errorMessages": [], "errors": errors}) if errors else None

    def _transition(self, issue, method, body):
        now = issue["fields"]["status"]["name"]
        offered = {id_: (name, to) for id_, (name, to) in self.transitions.items() if to != now}
        if method == "GET":
            shown = [
                {"id": id_, "name": name, "to": {"name": to, "statusCategory": {"key": STATUSES[to]}}}
                for id_, (name, to) in offered.items()
            ]
            return 200, {}, {"transitions": shown}
        id_ = str(body["transition"]["id"])
        if id_ not in offered:
            return (
                400,
                {},
                {"errorMessages": ["It seems that you have tried an illegal workflow operation."]},
            )
        to = offered[id_][1]
        issue["fields"]["status"] = {"name": to, "statusCategory": {"key": STATUSES[to]}}
        return 204, {}, None

    def _shown(self, issue):
        return {name: value for name, value in issue.items() if not name.startswith("_")}

    def rows(self):
        closed = {True: "closed", False: "open"}
        return [
            (it["fields"]["summary"], it["fields"]["description"],
             closed[it["fields"]["status"]["statusCategory"]["key"] == "done"])
            for it in self.issues
        ]  # fmt: skip

    def comments(self, number):
        return self.issues[number - 1]["_comments"]

    def labels(self, number):
        return [it for it in self.issues[number - 1]["fields"]["labels"] if not it.startswith("dataflow-")]

    def assignee(self, number):
        who = self.issues[number - 1]["fields"].get("assignee")
        return who and who["accountId" if self.cloud else "name"]

    def key(self, number):
        return f"DATA-{number}"

    def set_state(self, number, state):
        name = {"closed": "Done", "open": "To Do"}[state]
        self.issues[number - 1]["fields"]["status"] = {"name": name, "statusCategory": {"key": STATUSES[name]}}

    def delete(self, number):
        self.issues[number - 1].update(key="GONE-1", id="-1")
        self.issues[number - 1]["fields"]["labels"] = []

    place = r"/issue$"
    limit = 429, {"Retry-After": "1"}, {"errorMessages": ["Rate limit exceeded."]}
