#!/bin/bash
# Start a throw-away Cyrus IMAP 3.6 in the foreground on 127.0.0.1, unprivileged, all state under DIR.
# usage: start.sh DIR IMAP_PORT IMAPS_PORT [USER]   (USER: account to run as when started by root; default nobody)
# needs CYRUS_PREFIX (default ${TMPDIR:-/tmp}/up/cyrus) made by: fetch-debs.sh PREFIX cyrus-imapd cyrus-common cyrus-admin \
#   sasl2-bin libsasl2-modules libsasl2-modules-db
# Ready when DIR/ready exists (accounts, shared folder, rights and quota made by init.py; ~0.5 s). Stop: kill this pid.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); p=${CYRUS_PREFIX:-${TMPDIR:-/tmp}/up/cyrus}
dir=$(realpath -m "$1"); imap=$2; imaps=$3; user=${4:-}
if [ "$(id -u)" = 0 ]; then user=${user:-nobody}; else user=$(id -un); fi
group=$(id -gn "$user")
export LD_LIBRARY_PATH=$p/usr/lib/x86_64-linux-gnu:$p/usr/lib/cyrus SASL_PATH=$p/usr/lib/x86_64-linux-gnu/sasl2:/usr/lib/x86_64-linux-gnu/sasl2
mkdir -p "$dir"/{conf,spool,run/{socket,proc,lock},lib}
mkdir -p "$dir"/lib/{db,log,msg,proc,ptclient,quota,sieve,socket,user}
rm -f "$dir/ready"
[ -f "$dir/conf/cert.pem" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
  -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$dir/conf/key.pem" -out "$dir/conf/cert.pem" 2>/dev/null
cat >"$dir/conf/imapd.conf" <<C
configdirectory: $dir/lib
partition-default: $dir/spool
defaultpartition: default
cyrus_user: $user
cyrus_group: $group
servername: localhost
admins: cyrus
virtdomains: off
unixhierarchysep: yes
altnamespace: yes
userprefix: Other Users
sharedprefix: Shared Folders
allowplaintext: no
autocreate_quota: 1048576
autocreate_inbox_folders: Junk
autocreate_subscribe_folders: Junk
xlist-Junk: Junk
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $dir/conf/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS
tls_server_cert: $dir/conf/cert.pem
tls_server_key: $dir/conf/key.pem
tls_session_timeout: 0
maxmessagesize: 0
popminpoll: 0
failedloginpause: 0
duplicate_db_path: $dir/run/deliver.db
statuscache_db_path: $dir/run/statuscache.db
tls_sessions_db_path: $dir/run/tls_sessions.db
proc_path: $dir/run/proc
mboxname_lockpath: $dir/run/lock
${CYRUS_EXTRA:-}
C
cat >"$dir/conf/cyrus.conf" <<C
START {
  recover cmd="$p/usr/lib/cyrus/bin/ctl_cyrusdb -C $dir/conf/imapd.conf -r"
}
SERVICES {
  imap  cmd="$p/usr/lib/cyrus/bin/imapd -C $dir/conf/imapd.conf"    listen="127.0.0.1:$imap"  prefork=1
  imaps cmd="$p/usr/lib/cyrus/bin/imapd -s -C $dir/conf/imapd.conf" listen="127.0.0.1:$imaps" prefork=1
}
EVENTS {
  checkpoint cmd="$p/usr/lib/cyrus/bin/ctl_cyrusdb -C $dir/conf/imapd.conf -c" period=30
}
DAEMON {
}
C
rm -f "$dir/conf/sasldb2"
for u in cyrus relay alice support full; do
  printf %spw $u | "$p/usr/sbin/saslpasswd2" -p -c -f "$dir/conf/sasldb2" -u localhost $u
done
run=()
if [ "$(id -u)" = 0 ]; then
  chown -R "$user:$group" "$dir"; chmod 755 "$dir"
  run=(setpriv --reuid "$user" --regid "$group" --clear-groups)
fi
(python3 "$here/cyrus_init.py" "$imaps" && touch "$dir/ready") &
exec "${run[@]}" "$p/usr/lib/cyrus/bin/master" -C "$dir/conf/imapd.conf" -M "$dir/conf/cyrus.conf" -p "$dir/run/master.pid"
