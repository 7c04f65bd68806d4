#!/bin/sh
# A backup of home and database into a new folder below ONECLICK_BACKUPS, by default named by the time.
#   ./backup.sh [NAME]
set -eu
cd "$(dirname "$0")"
name=${1:-$(date +%Y-%m-%d_%H-%M)}
docker compose run --rm tools oneclick backup "/backups/$name"
