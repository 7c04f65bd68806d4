#!/bin/sh
# A backup back into new, empty volumes. What is in the volumes now must have been removed before: see README.md.
#   ./restore.sh NAME
set -eu
name=${1:?the name of a backup is missing} # before anything is stopped
cd "$(dirname "$0")"
docker compose stop webserver daemon code mlflow
docker compose run --rm tools oneclick restore "/backups/$name"
docker compose run --rm tools oneclick doctor
echo "Start everything: docker compose up --detach"
