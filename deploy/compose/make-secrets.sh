#!/bin/sh
# Makes ./secrets for compose.yaml: an authority, one certificate for etcd and the nodes, and random words. Run it once;
# what is there stays. A sample: in production each server has a certificate of its own.
set -eu
cd "$(dirname "$0")"
# Only the owner enters the folder. Within, files are readable: the containers' users are others.
umask 022
mkdir -p -m 0700 secrets
cd secrets
for name in token cluster-secret postgres-password; do
  [ -s "$name" ] || openssl rand -hex 32 >"$name"
done
[ -s tls.crt ] && exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -keyout ca.key -out ca.crt \
  -subj "/CN=Holdfast sample" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.csr -subj "/CN=holdfast"
cat >extensions <<END
subjectAltName = DNS:etcd, DNS:node-a, DNS:node-b, DNS:node-c, DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth, clientAuth
END
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile extensions \
  -out tls.crt.new
chmod 0644 tls.key
# The authority's key is not kept: nobody can sign another certificate with it.
rm -f ca.key ca.srl tls.csr extensions
mv tls.crt.new tls.crt
