"""Dagster's pages with a check of the host that a request names.

    python -m oneclick_pipeline.orchestration.webserver ARGUMENTS

is `dagster-webserver`, which has no such check of its own (1.13): under a name that leads to this machine any web site could
have a visitor's browser start runs here. Names are those of `ONECLICK_HOSTS`, as for MLflow's pages.
"""

from __future__ import annotations

from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from oneclick_pipeline import permissions
from oneclick_pipeline.guard import hosts


class CheckedWebserver(DagsterWebserver):
    """Dagster's pages, for requests that name one of our hosts; all others get 400."""

    def build_middleware(self) -> list[Middleware]:
        """Dagster's own, behind the check."""
        return [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts()), www_redirect=False), *super().build_middleware()]


def main() -> None:
    """Run `dagster-webserver` with the check."""
    permissions.restrict()
    vars(app)["DagsterWebserver"] = CheckedWebserver  # the one place where the pages are made; there is no option for it
    cli.cli(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
