#!/usr/bin/env bash
# Start of the container. In: arguments of pg-guard, with or without that word before them. Out: pg-guard, in place of this script.
#
# Before `serve`, the settings are validated (exit 3 with every problem) and the databases are waited for, PG_GUARD_WAIT_TIMEOUT
# seconds at most (60 when left out, 0 to skip it). Nothing goes to standard output, which belongs to the protocol.
set -euo pipefail

if [ "${1-}" = pg-guard ]; then
  shift
fi
if [ "${1-}" != serve ]; then
  exec pg-guard "$@"
fi

# What `config validate` and `wait` take as well; the values of other options are stepped over.
shared=()
words=("${@:2}")
for ((i = 0; i < ${#words[@]}; i++)); do
  case "${words[i]}" in
    -h | --help)
      exec pg-guard "$@"
      ;;
    --config | --policy | -p | --dsn)
      shared+=("${words[@]:i:2}")
      i=$((i + 1))
      ;;
    --config=* | --policy=* | -p* | --dsn=*)
      shared+=("${words[i]}")
      ;;
    --http | --tokens | --observe)
      i=$((i + 1))
      ;;
  esac
done

# As the first process of a container this script gets the signals, and none of them does anything unless it is trapped.
child=
stopped=0
stop() {
  stopped=$1
  if [ -n "$child" ]; then
    kill -s TERM "$child" 2>/dev/null || :
  fi
}
trap 'stop 143' TERM
trap 'stop 130' INT

step() {
  local status=0
  pg-guard "$@" </dev/null >&2 &
  child=$!
  if [ "$stopped" -ne 0 ]; then
    kill -s TERM "$child" 2>/dev/null || :
  fi
  wait "$child" || status=$?
  # A signal ends the waiting, not yet the process.
  while kill -0 "$child" 2>/dev/null; do
    wait "$child" || :
  done
  child=
  if [ "$stopped" -ne 0 ]; then
    exit "$stopped"
  fi
  if [ "$status" -ne 0 ]; then
    exit "$status"
  fi
}

step config validate "${shared[@]}"
if [ "${PG_GUARD_WAIT_TIMEOUT:-60}" != 0 ]; then
  step wait "${shared[@]}"
fi

trap - TERM INT
exec pg-guard "$@"
