#!/bin/bash
# dovecot.sh - a throw-away Dovecot on 127.0.0.1 in the foreground, all of it below DIR, for the quickstart and the tests.
# Stop: end this process.
#
# usage: dovecot.sh DIR IMAP_PORT IMAPS_PORT CERTIFICATE KEY
#   env DOVECOT_EXTRA: settings to append (text)
# Accounts: NAME with password NAMEpw: relay, other. STARTTLS on IMAP_PORT, no plain-text login without TLS.
set -euo pipefail
dir=$(realpath -m "$1") imap=$2 imaps=$3 certificate=$4 key=$5
mkdir -p "$dir"/{run,state,mail,conf}
user=$(id -un)
[ "$(id -u)" != 0 ] || user=nobody
group=$(id -gn "$user") uid=$(id -u "$user") gid=$(id -g "$user")
for name in relay other; do echo "$name:{PLAIN}${name}pw::::::"; done >"$dir/conf/users"
cp "$certificate" "$dir/conf/cert.pem"
cp "$key" "$dir/conf/key.pem"
cat >"$dir/conf/dovecot.conf" <<C
base_dir = $dir/run
state_dir = $dir/state
instance_name = mailweir-test-$imap
protocols = imap
listen = 127.0.0.1
log_path = $dir/dovecot.log
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = $uid
mail_uid = $uid
mail_gid = $gid
mail_home = $dir/mail/%u
mail_location = maildir:$dir/mail/%u
mail_max_userip_connections = 0
auth_mechanisms = plain login
disable_plaintext_auth = yes
auth_failure_delay = 0
ssl = yes
ssl_cert = <$dir/conf/cert.pem
ssl_key = <$dir/conf/key.pem
ssl_dh =
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
    ssl = yes
  }
}
service imap {
  process_limit = 1024
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $dir/conf/users
}
userdb {
  driver = passwd-file
  args = username_format=%u $dir/conf/users
  default_fields = uid=$uid gid=$gid home=$dir/mail/%u
}
# 127.0.0.1 would count as secure: plain-text logins without TLS must fail here as they do elsewhere.
login_trusted_networks =
namespace inbox {
  type = private
  separator = /
  prefix =
  inbox = yes
}
${DOVECOT_EXTRA:-}
C
if [ "$(id -u)" = 0 ]; then
    chown -R "$user:$group" "$dir"
    chmod 755 "$dir"
    exec setpriv --pdeathsig KILL --reuid "$user" --regid "$group" --clear-groups /usr/sbin/dovecot -F -c "$dir/conf/dovecot.conf"
fi
exec /usr/sbin/dovecot -F -c "$dir/conf/dovecot.conf"
