#!/bin/sh
# Make the passwords of the database once, because PostgreSQL keeps those of its first start. This runs as root with
# one capability, CHOWN, which gives each file to the only user that can read it.
set -eu
umask 377
service=10001 postgres=999

password() {
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# put CONTENT FILE USER: writes the file in one step.
put() {
    printf %s "$1" >"$2.new"
    chown "$3:$3" "$2.new"
    mv "$2.new" "$2"
}

# This file is made last: if it exists, all do.
[ ! -e /service-secrets/app_database__password ] || exit 0
rm -f /database-secrets/*.new /service-secrets/*.new
shared=$(password)
put "$(password)" /database-secrets/postgres_password "$postgres"
put "$shared" /database-secrets/service_password "$postgres"
put "$shared" /service-secrets/app_database__password "$service"
