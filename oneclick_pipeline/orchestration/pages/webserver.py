"""Dagster's pages behind the guard, with what the pages need of Dagster's server and no more.

    python -P -m oneclick_pipeline.orchestration.pages.webserver ARGUMENTS

is `dagster-webserver`, which has no password and no check of the requester (1.13): a web site could have a visitor's browser
start runs here, by a link (`GET /graphql?query=mutation…`), a form or a WebSocket. Every request passes `guard` first. Then:

    ALLOWED, REFUSED   routes of Dagster's server, by what we made of them; one that is in neither list is refused as well
    MUTATIONS          what the pages may change; what starts a run is checked, see `launches`
    /graphql           POST with a JSON object; a WebSocket may only subscribe
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from oneclick_pipeline import terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.orchestration.runs import launches
from oneclick_pipeline.web import guard, server

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable

    from graphql import GraphQLFormattedError, GraphQLResolveInfo
    from starlette.requests import Request
    from starlette.websockets import WebSocket

_STATIC = ("root_static", "_next_static", "vendor_static")  # Dagster's names of the files of its pages
ALLOWED = frozenset({
    "/graphql",  # all that the pages show and do
    "/logs/{path:path}",  # a step's output, from the run's page
    "/download_debug/{run_id:str}",  # a run and its events, from the run's page
    "/server_info",  # versions; health checks ask for it
    "/{path:path}",  # the page itself, whatever its address
    "/",
})  # fmt: skip
REFUSED = {
    "/dagit_info": "an older name of /server_info",
    "/notebook": "reads files of the code server; there are no notebooks here",
    "/dagit/notebook": "an older name of /notebook",
    "/report_asset_materialization/{asset_key:path}": "would report a table as made that was not",
    "/report_asset_check/{asset_key:path}": "would report a check as passed that was not run",
    "/report_asset_observation/{asset_key:path}": "would report what was never observed",
}
_NO_PAGES = ("graphql", "logs", "download_debug", "server_info", "dagit_info", "notebook", "dagit")
MUTATIONS = frozenset({
    "launchPipelineExecution", "launchRun", "launchMultipleRuns", "launchPipelineReexecution", "launchRunReexecution",
    "launchPartitionBackfill", "resumePartitionBackfill", "reexecutePartitionBackfill", "cancelPartitionBackfill",
    "terminatePipelineExecution", "terminateRun", "terminateRuns",
    "startSchedule", "stopRunningSchedule", "resetSchedule", "scheduleDryRun",
    "startSensor", "stopSensor", "resetSensor", "sensorDryRun",
    "reloadRepositoryLocation", "reloadWorkspace",
})  # fmt: skip
REFUSED_MUTATIONS = {
    "setSensorCursor": "a sensor relies on its cursor; with any other it fails, or stays silent",
    "deletePipelineRun": "sensors and alerts rely on the record of runs",
    "deleteRun": "sensors and alerts rely on the record of runs",
    "wipeAssets": "sensors and alerts rely on the record of tables",
    "reportRunlessAssetEvents": "would report a table as made that was not",
    "reportAssetCheckEvaluations": "would report a check as passed that was not run",
    "shutdownRepositoryLocation": "ends the code server, and the runs in it",
    "addDynamicPartition": "months are not added manually",
    "deleteDynamicPartitions": "months are not added manually",
    "setAppManagedComponent": "writes code; there are no such components here",
    "deleteAppManagedComponent": "writes code; there are no such components here",
    "refreshComponentState": "runs code of components; there are none here",
    "setAutoMaterializePaused": "schedules and sensors start the runs here",
    "setConcurrencyLimit": "limits are set in dagster.yaml",
    "deleteConcurrencyLimit": "limits are set in dagster.yaml",
    "freeConcurrencySlotsForRun": "there are no pools here",
    "freeConcurrencySlots": "there are no pools here",
    "logTelemetry": "the use of the pages is not recorded",
    "setNuxSeen": "Dagster's greeting is switched off",
}


class GuardedWebserver(DagsterWebserver):
    """Dagster's pages behind the guard."""

    def build_middleware(self) -> list[Middleware]:
        """Dagster's own, behind the guard."""
        rules = guard.Rules.from_environment(links=lambda path: is_page(path.removeprefix(self._app_path_prefix)))
        return [Middleware(guard.Guard, rules=rules), *super().build_middleware()]

    def build_routes(self) -> list[BaseRoute]:
        """Dagster's own, as far as they are allowed."""
        return [_checked(route, self._app_path_prefix) for route in super().build_routes()]  # type: ignore[no-untyped-call] # Dagster's has no types

    def build_graphql_schema(self) -> Any:  # noqa: ANN401 - graphene's schema, which has no types
        """Dagster's own, with a check before every mutation."""
        schema = super().build_graphql_schema()
        for name, field in schema.graphql_schema.mutation_type.fields.items():
            field.resolve = _checked_mutation(name, field.resolve)
        return schema

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """Answer a query, or a mutation, that comes as a JSON object."""
        if request.method != "POST":  # a link, an image or a form may come from anywhere
            return PlainTextResponse("GraphQL takes POST requests only\n", status_code=405, headers={"Allow": "POST"})
        try:
            is_object = isinstance(await request.json(), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            return PlainTextResponse("GraphQL takes one JSON object\n", status_code=400)
        answer: Response = await super().graphql_http_endpoint(request)
        return answer

    async def execute_graphql_subscription(
        self, websocket: WebSocket, operation_id: str, query: str, variables: dict[str, Any] | None, operation_name: str | None
    ) -> tuple[Task[None] | None, GraphQLFormattedError | None]:
        """Subscribe; whatever else is in the query is refused."""
        try:
            operations = [one for one in parse(query).definitions if isinstance(one, OperationDefinitionNode)]
        except GraphQLError as error:
            return None, error.formatted
        if any(one.operation is not OperationType.SUBSCRIPTION for one in operations):
            return None, GraphQLError("a WebSocket may only subscribe").formatted
        return await super().execute_graphql_subscription(websocket, operation_id, query, variables, operation_name)


def is_page(path: str) -> bool:
    """Whether a link from elsewhere may open a path: one that shows the page, and does nothing.

    >>> is_page("/runs/1"), is_page("/graphql"), is_page("/report_asset_check/drift")
    (True, False, False)
    """
    first = path.lstrip("/").partition("/")[0]
    return first not in _NO_PAGES and not first.startswith("report_asset_")


def _checked(route: BaseRoute, prefix: str) -> BaseRoute:
    """A route as it may be asked for."""
    path = str(getattr(route, "path", ""))
    if isinstance(route, Mount) and prefix and path == prefix:
        return Mount(path, routes=[_checked(inner, "") for inner in route.routes])
    is_known = path in ALLOWED if isinstance(route, Route | WebSocketRoute) else False
    if is_known or getattr(route, "name", "") in _STATIC:
        return route

    def refusal(_: Request) -> Response:
        return PlainTextResponse("refused: the pages do not need this, and it could do harm\n", status_code=403)

    return Route(path, refusal, name="refused", methods=["GET", "POST"])


def _checked_mutation(name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
    def checked(root: object, info: GraphQLResolveInfo, **arguments: Any) -> Any:  # noqa: ANN401 - whatever Dagster gives
        where = info.path.as_list()  # an error with a place is the client's, and not the server's
        if name not in MUTATIONS:
            reason = REFUSED_MUTATIONS.get(name, "the pages do not need it")
            raise GraphQLError(f"{name} is refused: {reason}", path=where)
        try:
            launches.check_launch(arguments)
        except BadInputError as error:
            raise GraphQLError(str(error), path=where) from error
        return resolve(root, info, **arguments)

    return checked


def main() -> None:
    """Run `dagster-webserver` behind the guard."""
    # The one place where the pages are made, and the one where they are served; there is no option for either.
    vars(app)["DagsterWebserver"] = GuardedWebserver
    vars(cli)["uvicorn"] = server
    try:
        permissions.restrict()
        cli.cli(auto_envvar_prefix="DAGSTER_WEBSERVER")
    except BadInputError as error:
        terminal.error(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
