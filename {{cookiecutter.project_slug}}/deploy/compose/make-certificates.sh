#!/bin/sh
# Make a development CA once. Each `up` signs certificates that are missing or expire within a month, and the service
# reloads them. This runs as root with one capability, CHOWN, which gives each file to its user.
set -eu
umask 077
cd /tmp
service=10001 nginx=101 root=0
month=2592000 # In seconds.
names="subjectAltName = DNS:localhost, DNS:app, IP:127.0.0.1, IP:::1"

quietly() {
    "$@" 2>messages || { cat messages >&2; exit 1; }
}

# put FILE DESTINATION MODE USER: replaces the destination in one step.
put() {
    rm -f "$2.new"
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    chown "$4:$4" "$2.new"
    mv "$2.new" "$2"
}

key() {
    quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key
}

make_ca() {
    printf '%s\n' '[req]' 'distinguished_name = dn' 'x509_extensions = ca' '[dn]' '[ca]' \
        'basicConstraints = critical, CA:true, pathlen:0' 'keyUsage = critical, keyCertSign, cRLSign' \
        'subjectKeyIdentifier = hash' >ca.cnf
    key
    quietly openssl req -x509 -new -key key -config ca.cnf -days 3650 -subj "/CN=Development CA" -out certificate
    put key /authority/ca.key 400 "$root"
    put certificate /authority/ca.crt 444 "$root"
}

# sign FILE NAME USER EXTENSION...: makes FILE.crt, and FILE.key that only USER can read.
sign() {
    file=$1 name=$2 user=$3
    shift 3
    # A certificate of an older CA is replaced too.
    if openssl verify -CAfile /authority/ca.crt "$file.crt" >/dev/null 2>&1 &&
        openssl x509 -checkend "$month" -noout -in "$file.crt" >/dev/null; then return; fi
    printf '%s\n' 'basicConstraints = critical, CA:false' 'keyUsage = critical, digitalSignature' \
        'authorityKeyIdentifier = keyid' "$@" >extensions
    key
    quietly openssl req -new -key key -subj "/O=Development/CN=$name" -out request
    quietly openssl x509 -req -in request -CA /authority/ca.crt -CAkey /authority/ca.key -days 90 \
        -extfile extensions -out certificate
    put key "$file.key" 400 "$user"
    put certificate "$file.crt" 444 "$user"
}

[ -e /authority/ca.crt ] || make_ca
put /authority/ca.crt /certificates/ca.crt 444 "$root"
sign /certificates/server app "$service" "$names" 'extendedKeyUsage = serverAuth'
sign /certificates/proxy proxy "$nginx" "$names" 'extendedKeyUsage = serverAuth, clientAuth'
sign /authority/client developer "$root" 'extendedKeyUsage = clientAuth'
