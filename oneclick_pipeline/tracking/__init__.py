"""The one place that knows MLflow.

In come trainings; out come registered versions, the champion among them, opened only by the record that the home itself keeps.
`Tracking(home)` does all of it; MLflow itself is imported only when it is needed. Begin with `home`.

home          Tracking: a training logged, a version opened, old versions deleted
registry      which versions there are, which is champion, promote and roll back
database      SQLite or PostgreSQL: made, migrated, locked, moved with the home
versions      the record of a version, and its files checked against it
aliases       which versions oneclick itself made champion and previous champion
acceptance    a version without a record, reviewed and accepted by a person
runs          what a training leaves in MLflow: runs, numbers, files, the model
evaluation    how good a version proved, read back for people; where reports are kept
trusted_types  a model file opened, and the types that it may hold
files         model files as bytes, for other processes
isolated      a model opened by a fresh process
pruning       old versions and runs deleted
references    which versions the tables of a home name
server        MLflow's pages: the process, its environment
app           the application behind the pages
allowed_requests  what the pages may ask for
artifacts     files as the pages may see them
environment   environment variables that are ignored
upgrade       MLflow's tables brought to the installed version
logs          MLflow without noise
"""

from oneclick_pipeline.tracking.environment import ignored_variables
from oneclick_pipeline.tracking.home import Tracking
from oneclick_pipeline.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
from oneclick_pipeline.tracking.runs import EXPERIMENT, MODEL
from oneclick_pipeline.tracking.trusted_types import TRUSTED_TYPES
from oneclick_pipeline.tracking.versions import Version

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "EXPERIMENT",
    "MODEL",
    "PREVIOUS",
    "TRUSTED_TYPES",
    "Tracking",
    "Version",
    "ignored_variables",
]
