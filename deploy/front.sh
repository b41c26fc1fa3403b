#!/bin/sh
# Runs nginx, and tells it each second which replicas of serving say that they are ready: nginx has no such check.
set -u

ready() {
    for replica in $SERVING; do
        # By address: a container that was started again may have another one.
        address=$(getent ahostsv4 "$replica" | awk '{print $1; exit}')
        [ -n "$address" ] && curl -fsS -m 1 -o /dev/null "http://$address:7100/readyz" 2>/dev/null \
            && echo "server $address:7100 fail_timeout=1s;"
    done
    return 0
}

follow() {
    while sleep 1; do
        now=$(ready)
        # While nobody is ready the last ones stay: whoever comes back first is used at once.
        [ -z "$now" ] || [ "$now" = "$(cat /tmp/serving.conf)" ] && continue
        echo "$now" > /tmp/serving.conf
        nginx -s reload
    done
}

now=$(ready)
echo "${now:-server 127.0.0.1:7109;}" > /tmp/serving.conf
follow &
exec nginx -g 'daemon off;'
