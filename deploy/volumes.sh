#!/bin/sh
# Saves what docker-compose.yml keeps and nobody can make again, or puts it back:
#   deploy/volumes.sh save|restore FOLDER
# All of it belongs to one moment, so everything must be stopped; and nothing that is there is overwritten.
set -eu
act=$1
folder=$(realpath "$2")
project=${COMPOSE_PROJECT_NAME:-headrace}

if [ -n "$(docker ps --quiet --filter "label=com.docker.compose.project=$project")" ]; then
    echo "containers of $project are running: docker compose stop" >&2
    exit 1
fi
case $act in
    save) work='[ ! -e "/backup/$0" ] || { echo "$0 is there already" >&2; exit 1; }; tar -czf "/backup/$0" -C /volume .' ;;
    restore) work='[ -z "$(ls -A /volume)" ] || { echo "the volume of $0 is not empty" >&2; exit 1; }; tar -xzf "/backup/$0" -C /volume' ;;
    *) echo "save or restore, not $act" >&2; exit 1 ;;
esac
for name in kafka postgres packages feedback serving; do
    docker run --rm --user 0 --network none --volume "${project}_$name:/volume" --volume "$folder:/backup" \
        --entrypoint sh headrace:local -c "$work" "$name.tar.gz"
done
