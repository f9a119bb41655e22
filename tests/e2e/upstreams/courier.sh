#!/bin/bash
# Start a throw-away Courier IMAP 5.0 (couriertcpd + authdaemond) in the foreground on 127.0.0.1, state under DIR.
# usage (root only): start.sh DIR IMAP_PORT IMAPS_PORT [USER]     (mailboxes belong to USER, default nobody)
# needs COURIER_PREFIX (default ${TMPDIR:-/tmp}/up/courier) made by: fetch-debs.sh PREFIX courier-imap courier-base \
#   courier-authlib courier-authlib-userdb
# Courier has its paths compiled in, so a private mount + PID namespace lays the unpacked packages over /usr, /etc and
# /run/courier (overlayfs, read-only): nothing is installed. Ready when IMAP_PORT greets (~0.3 s). Stop: kill this pid
# (the whole PID namespace ends with it, also after SIGKILL).
set -euo pipefail
if [ "${1:-}" != --inside ]; then
  setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child=SIGKILL --mount-proc "$0" --inside "$@" & c=$!
  trap 'kill -KILL $c 2>/dev/null' EXIT; trap 'exit 0' TERM INT   # unshare --fork itself ignores SIGTERM
  wait $c; exit
fi
shift
p=${COURIER_PREFIX:-${TMPDIR:-/tmp}/up/courier}; dir=$(realpath -m "$1"); imap=$2; imaps=$3; user=${4:-nobody}
uid=$(id -u "$user"); gid=$(id -g "$user")
mkdir -p "$dir"/{etc/shared,run/authdaemon,mail,lib}
[ -f "$dir/etc/imapd.pem" ] || { openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
  -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$dir/etc/key" -out "$dir/etc/cert" 2>/dev/null
  cat "$dir/etc/key" "$dir/etc/cert" >"$dir/etc/imapd.pem"; chmod 600 "$dir/etc/imapd.pem"; }
mkdir -p "$dir/etc/imapaccess"; cp "$p"/etc/courier/authdaemonrc "$p"/etc/courier/imapd "$p"/etc/courier/imapd-ssl "$dir/etc/"
sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/; s/^daemons=.*/daemons=3/' "$dir/etc/authdaemonrc"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$p/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$p/etc:/etc" /etc
mount --bind "$dir/etc" /etc/courier
# couriertls drops to user "courier", which an uninstalled package did not create
grep -q '^courier:' /etc/passwd || { { cat /etc/passwd; echo "courier:x:$uid:$gid::/nonexistent:/usr/sbin/nologin"; } >"$dir/lib/passwd"
  mount --bind "$dir/lib/passwd" /etc/passwd; }
mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/courier/authdaemon
mkdir -p "$dir/lib"
# accounts: full has 20 kB of quota; office owns the public folders
rm -f "$dir"/etc/userdb*; : >"$dir/etc/userdb"; chmod 600 "$dir/etc/userdb"; : >"$dir/etc/shared/index"
for u in relay alice support full office; do
  h=$dir/mail/$u; [ -d "$h/Maildir" ] || { mkdir -p "$h"; maildirmake.courier "$h/Maildir"; }
  pw=$(printf '%spw\n' $u | userdbpw -md5); cram=$(printf '%spw\n' $u | userdbpw -hmac-md5); c256=$(printf '%spw\n' $u | userdbpw -hmac-sha256 2>/dev/null || true)
  printf '%s\thome=%s|mail=%s|uid=%d|gid=%d|systempw=%s|hmac-md5pw=%s%s\n' $u "$h" "$h/Maildir" "$uid" "$gid" "$pw" "$cram" \
    "${c256:+|hmac-sha256pw=$c256}" >>"$dir/etc/userdb"
  printf '%s\t%d\t%d\t%s\tMaildir\n' $u "$uid" "$gid" "$h" >>"$dir/etc/shared/index"
done
[ -e "$dir/mail/full/Maildir/maildirsize" ] || maildirmake.courier -q 20000S "$dir/mail/full/Maildir"
for f in Invoices ReadOnly; do m=$dir/mail/office/Maildir/.$f; [ -d "$m" ] || maildirmake.courier -f $f "$dir/mail/office/Maildir"; done
printf 'owner aceilrstwx\nanyone lrs\nuser=relay ceilrstwx\n' >"$dir/mail/office/Maildir/.Invoices/courierimapacl"
printf 'owner aceilrstwx\nanyone lr\n' >"$dir/mail/office/Maildir/.ReadOnly/courierimapacl"
chown -R "$uid:$gid" "$dir/mail" "$dir/etc/imapd.pem"; chmod 755 "$dir" "$dir/mail"
makeuserdb; chmod 644 "$dir"/etc/userdb.dat
(set -a; . /etc/courier/authdaemonrc; exec /usr/lib/courier/courier-authlib/authdaemond </dev/null 2>>"$dir/authdaemond.log") &
set -a +u; . /etc/courier/imapd; . /etc/courier/imapd-ssl; set +a -u
export IMAP_TLS_REQUIRED=1 IMAP_STARTTLS=YES TLS_CERTFILE=$dir/etc/imapd.pem TLS_CACHEFILE='' TLS_DHPARAMS='' IMAP_ULIMITD='' \
  IMAP_SHAREDINDEXFILE=$dir/etc/shared/index IMAP_KEYWORDS=1 IMAP_ACL=1 IMAP_EMPTYTRASH='' IMAP_CHECK_ALL_FOLDERS=0 \
  IMAP_CAPABILITY_TLS="IMAP4rev1 UIDPLUS CHILDREN NAMESPACE SORT QUOTA IDLE ENABLE UTF8=ACCEPT AUTH=PLAIN AUTH=CRAM-MD5 AUTH=CRAM-SHA256"
tcpd="/usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=200 -maxperip=${COURIER_MAXPERIP:-100} -nodnslookup -noidentlookup"
for _ in $(seq 100); do [ -S /run/courier/authdaemon/socket ] && break; sleep 0.02; done
$tcpd "$imap" /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir </dev/null >>"$dir/imap.log" 2>&1 &
IMAP_TLS=1 IMAP_STARTTLS=NO IMAP_TLS_REQUIRED=0 $tcpd "$imaps" /usr/bin/couriertls -server -tcpd /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir </dev/null >>"$dir/imap.log" 2>&1 &
wait
