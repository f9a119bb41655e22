#!/bin/bash
# fetch-debs.sh PREFIX PACKAGE...  - unpack packages (and what they need beyond the installed system) under PREFIX,
# without installing them: cyrus-imapd and courier-imap "Conflicts: imap-server", so they cannot be installed
# beside dovecot-imapd. Needs `apt-get update` first.
set -euo pipefail
prefix=$(realpath -m "$1"); shift; mkdir -p "$prefix/debs"
pkgs=$(LC_ALL=C apt-get install -s -y --no-install-recommends "$@" | awk '/^Inst [^ ]+ \(/{print $2}' | sort -u |
  grep -Ev '^(exim4.*|postfix|nullmailer|esmtp|bsd-mailx|guile.*|libmailutils.*|mailutils.*)$')
# shellcheck disable=SC2086
printf "package: %s\n" $pkgs
# shellcheck disable=SC2086
(cd "$prefix/debs" && apt-get download -q $pkgs >/dev/null 2>&1)
for d in "$prefix"/debs/*.deb; do dpkg-deb -x "$d" "$prefix"; done
chmod -R u+rwX,go+rX "$prefix"
