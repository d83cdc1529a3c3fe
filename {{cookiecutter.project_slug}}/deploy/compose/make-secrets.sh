#!/bin/sh
# Make the passwords of the database, once: PostgreSQL keeps those of its first start. As root, which without its other
# capabilities may give files away and no more; each file can be read by the one user that it is for.
set -eu
umask 377
service=10001 postgres=999

password() {
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# put CONTENT FILE USER: under its name only once it is whole.
put() {
    printf %s "$1" >"$2.new"
    chown "$3:$3" "$2.new"
    mv "$2.new" "$2"
}

# The last one made: where it is, all are.
[ ! -e /service-secrets/app_database__password ] || exit 0
rm -f /database-secrets/*.new /service-secrets/*.new
shared=$(password)
put "$(password)" /database-secrets/postgres_password "$postgres"
put "$shared" /database-secrets/service_password "$postgres"
put "$shared" /service-secrets/app_database__password "$service"
