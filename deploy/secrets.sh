#!/bin/sh
# Make the secrets of compose.yaml that are not there yet: a password for PostgreSQL, the address with it, and empty files for
# the webhook and the store's own database, which you may fill in. `POSTGRES_PASSWORD=... ./secrets.sh` keeps a password that you have.
set -eu
export LC_ALL=C
cd "$(dirname "$0")"
mkdir -p secrets
chmod 0700 secrets # nobody else comes to the files, which the users of the containers, who have other numbers, must read
cd secrets
umask 022
if [ ! -s POSTGRES_PASSWORD ]; then
    printf '%s' "${POSTGRES_PASSWORD:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}" > POSTGRES_PASSWORD
fi
if [ ! -s ONECLICK_POSTGRES ]; then
    password=$(cat POSTGRES_PASSWORD)
    case $password in # in an address every other character is written as %XX
        *[!A-Za-z0-9]*) password=$(printf '%s' "$password" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g') ;;
    esac
    printf 'postgresql://oneclick:%s@postgres:5432/oneclick' "$password" > ONECLICK_POSTGRES
fi
touch ONECLICK_WEBHOOK ONECLICK_DATABASE
