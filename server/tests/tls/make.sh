#!/bin/sh
# Makes the keys and certificates of this folder; needs OpenSSL 3.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 36500 \
        -subj "/CN=$1" -keyout "$work/$1.key" -out "$work/$1.pem"
}

member() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$1" \
        -keyout "$work/$1.key" -out "$work/$1.csr"
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" > "$work/$1.ext"
    openssl x509 -req -in "$work/$1.csr" -CA "$work/$2.pem" -CAkey "$work/$2.key" \
        -CAcreateserial -days 36500 -extfile "$work/$1.ext" -out "$work/$1.pem"
    cat "$work/$1.key" "$work/$1.pem" > "$1.pem"
}

authority authority
authority nobody
cp "$work/authority.pem" authority.pem
member member authority DNS:localhost,IP:127.0.0.1
member elsewhere authority DNS:elsewhere.example
member stranger nobody DNS:localhost,IP:127.0.0.1
