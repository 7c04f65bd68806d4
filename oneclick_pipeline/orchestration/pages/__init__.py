"""The pages in a browser: Dagster behind a guard, and MLflow.

In come a home and two ports, out come two addresses. Open servers.py first.

    servers.py    the processes of the pages, started and supervised
    webserver.py  Dagster's pages, with what they need of its server and no more
"""
