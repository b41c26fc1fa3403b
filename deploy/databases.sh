#!/bin/sh
# Run once by PostgreSQL's image: a database and a user for each service, closed to the others.
set -eu
for service in registry trainer monitor console; do
    psql --username "$POSTGRES_USER" --no-psqlrc --quiet -v ON_ERROR_STOP=1 \
        -v name="$service" -v password="$(cat "/run/secrets/${service}_password")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
