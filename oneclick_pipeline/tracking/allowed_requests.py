"""What MLflow's pages may ask of MLflow: an allow-list of requests, of the fields of their bodies and of the tags they may write.

MLflow's server answers some three hundred requests. Among them are an assistant that runs commands, a gateway and webhooks that
call other machines, uploads of model files, and a registry that takes a model from any folder. The pages need few of them:

    READS    experiments, runs, metrics, datasets, models, versions and their artifacts; for programs under `/api` as well
    EDITS    what a person changes in the pages: names, notes, tags, aliases; delete and restore; versions deleted

Everything else is refused, whatever a later MLflow adds. A path must be spelled exactly as here once it is decoded, so any other
spelling of it (`//`, `%2e`, another case, a slash at the end) is unknown. The body of a request is a JSON object; that of an edit
holds the fields of its row and no others, because MLflow's own requests can do more than the pages ask for: `runs/update` ends a
run as well. The pipeline's own tags are not to be edited: people go by them, and so does `oneclick model accept`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.metrics import METRICS
from oneclick_pipeline.tracking.versions import ALL_GATES, GATE, PROMOTED_BY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INSTEAD = "use the oneclick command, or MlflowClient on the home's database"

_NAME = r"[A-Za-z0-9_-]{1,64}"
_FILE = r"(?:[A-Za-z0-9_@~-][A-Za-z0-9_@~.-]*/)*[A-Za-z0-9_@~-][A-Za-z0-9_@~.-]*"
_V2, _V3 = r"/(?:ajax-)?api/2\.0/mlflow/", r"/(?:ajax-)?api/3\.0/mlflow/"
_EDIT = r"/ajax-api/2\.0/mlflow/"

ARTIFACTS = (r"/get-artifact", r"/model-versions/get-artifact", rf"{_V2}logged-models/{_NAME}/artifacts/files")
"""Paths that answer with a file of the artifacts."""

_GET = (
    r"/",
    r"/version",
    rf"/static-files/{_FILE}",
    *ARTIFACTS,
    rf"{_V2}artifacts/list",
    rf"{_V2}experiments/(?:get|get-by-name|search)",
    rf"{_V2}logged-models/{_NAME}(?:/artifacts/directories)?",
    rf"{_V2}metrics/(?:get-history|get-history-bulk|get-history-bulk-interval)",
    rf"{_V2}model-versions/(?:get|search)",
    rf"{_V2}registered-models/(?:get|search|alias|get-latest-versions)",
    rf"{_V2}runs/get",
    rf"{_V3}datasets/search",
    rf"{_V3}server-info",
    rf"{_V2}users/current",  # MLflow without accounts does not know it, and its pages go by that
)
_SEARCH = (
    r"/graphql",
    rf"{_V2}experiments/(?:search|search-datasets)",
    rf"{_V2}logged-models/search",
    rf"{_V2}registered-models/get-latest-versions",
    rf"{_V2}runs/search",
    rf"{_V3}datasets/search",
    rf"{_V3}traces/(?:search|metrics)",
)
_EDITS: tuple[tuple[str, str, str], ...] = (
    ("POST", "experiments/update", "experiment_id new_name"),
    ("POST", "experiments/(?:delete|restore)", "experiment_id"),
    ("POST", "experiments/set-experiment-tag", "experiment_id key value"),
    ("POST", "experiments/delete-experiment-tag", "experiment_id key"),
    ("POST", "runs/update", "run_id run_uuid run_name"),
    ("POST", "runs/(?:delete|restore)", "run_id"),
    ("POST", "runs/set-tag", "run_id run_uuid key value"),
    ("POST", "runs/delete-tag", "run_id key"),
    ("PATCH", f"logged-models/{_NAME}/tags", "model_id tags"),
    ("PATCH", "registered-models/update", "name description"),
    ("POST", "registered-models/set-tag", "name key value"),
    ("DELETE", "registered-models/delete-tag", "name key"),
    ("POST", "registered-models/alias", "name alias version"),
    ("DELETE", "registered-models/alias", "name alias"),
    ("PATCH", "model-versions/update", "name version description"),
    ("POST", "model-versions/set-tag", "name version key value"),
    ("DELETE", "model-versions/delete-tag", "name version key"),
    ("DELETE", "model-versions/delete", "name version"),
)

CONSTANT = {("GET", "/ajax-api/2.0/mlflow/gateway-proxy", b"gateway_path=api%2F2.0%2Fendpoints%2F"): b'{"endpoints": []}'}
"""Requests (method, path, query) that are answered here: the table of runs asks for gateways and shows an error for a refusal."""

PAGES_TAGS = re.compile(r"mlflow\.note\.content|mlflow\.sharedViewState\.[A-Za-z0-9]+")
"""MLflow's own tags that its pages write: a note, a view that is shared. Its others make it do things."""

_MOST_TOKENS = 10_000  # of a text of GraphQL: the pages' own have some hundred, and a million would take the server a minute

_OWN_TAGS = frozenset({
    *("month", "family", "feature_months", "label_months", "label_rule", "training_digest", "rows"),
    *("code_version", "dagster_asset", "dagster_run_id", ALL_GATES, PROMOTED_BY),
    *METRICS,
})  # fmt: skip
_OWN_PREFIXES, _OWN_SUFFIX = ("mlflow.", GATE), "_sha256"  # older versions have hashes in tags


class RefusedError(BadInputError):
    """A request that the pages do not need."""


@dataclass(frozen=True)
class Rule:
    """A kind of request that is allowed.

    Attributes:
        methods: Its HTTP methods.
        path: What its path, decoded, must match in full.
        fields: What its body may hold; None: anything, for it only searches.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    fields: frozenset[str] | None = None

    def body(self, sent: bytes) -> bytes:
        """The body as it is passed on: what we understood of it, and nothing that MLflow might read differently.

        Raises:
            RefusedError: If it is not a JSON object, or holds what this request may not say.
        """
        if "GET" in self.methods:
            return b""
        content = _object(sent)
        if self.fields is None:
            _require_query(content)
        else:
            if foreign := sorted(content.keys() - self.fields):
                raise RefusedError("the pages may not send this field", value=foreign[0], remedy=INSTEAD)
            for key in _tags(content):
                _require_editable(key)
        return json.dumps(content).encode()


RULES = (
    Rule(frozenset({"GET", "HEAD"}), re.compile("|".join(_GET), re.ASCII)),
    Rule(frozenset({"POST"}), re.compile("|".join(_SEARCH), re.ASCII)),
    *(
        Rule(frozenset({method}), re.compile(_EDIT + path, re.ASCII), frozenset(fields.split()))
        for method, path, fields in _EDITS
    ),
)
_ARTIFACTS = re.compile("|".join(ARTIFACTS), re.ASCII)


def rule(method: str, path: str) -> Rule:
    """The rule for a request.

    Args:
        method: Its HTTP method, as MLflow's router gets it.
        path: Its path, decoded, as MLflow's router gets it.

    Raises:
        RefusedError: If there is none.

    >>> rule("POST", "/ajax-api/2.0/mlflow/runs/search").fields is None
    True
    >>> sorted(rule("DELETE", "/ajax-api/2.0/mlflow/registered-models/alias").fields)
    ['alias', 'name']
    """
    for one in RULES:
        if method in one.methods and one.path.fullmatch(path):
            return one
    raise RefusedError("MLflow's pages do not offer this here", value=f"{method} {path}", remedy=INSTEAD)


def is_artifact(path: str) -> bool:
    """Whether a path answers with a file of the artifacts, whose content is not ours."""
    return _ARTIFACTS.fullmatch(path) is not None


def _object(sent: bytes) -> dict[str, Any]:
    try:
        content = json.loads(sent)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RefusedError("the body is not a JSON object", remedy="send one, as the pages do")
    return content


def _require_query(content: Mapping[str, Any]) -> None:
    """A text of GraphQL may only read. MLflow 3.17 has no other operation that does more; a later one may."""
    if "query" not in content:
        return
    try:
        document = parse(content["query"], max_lexical_tokens=_MOST_TOKENS)
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    except (GraphQLError, RecursionError, TypeError):
        operations = []
    if not operations or any(operation.operation is not OperationType.QUERY for operation in operations):
        raise RefusedError("the text is not a GraphQL query", remedy="ask only for data")


def _tags(content: Mapping[str, Any]) -> Iterator[object]:
    """Keys of the tags that an edit names."""
    if "key" in content:
        yield content["key"]
    tags = content.get("tags", [])
    for tag in tags if isinstance(tags, list) else [None]:
        yield tag.get("key") if isinstance(tag, dict) and tag.keys() <= {"key", "value"} else None


def _require_editable(key: object) -> None:
    if not isinstance(key, str):
        raise RefusedError("a tag is a key and a value", remedy="send them, as the pages do")
    if PAGES_TAGS.fullmatch(key):
        return
    if key in _OWN_TAGS or key.startswith(_OWN_PREFIXES) or key.endswith(_OWN_SUFFIX):
        raise RefusedError("the pipeline itself writes this tag", value=key, remedy="use a different name")
