#!/usr/bin/env bash
# Secrets of the compose file. In: nothing, or another directory. Out: random ones in secrets/, each made once and then kept.
set -euo pipefail
cd "${1:-"$(dirname "${BASH_SOURCE[0]}")"}"

# The directory is closed to others, its files are not: containers get single files, and read them under numbers of their own.
mkdir -p secrets
chmod 700 secrets

random() {
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}
keep() {
  local file=secrets/$1
  if [ ! -s "$file" ]; then
    printf '%s\n' "$2" >"$file.new"
    chmod 444 "$file.new"
    mv "$file.new" "$file"
    echo "made $file"
  fi
}

for name in postgres_password reader_password scrape_token grafana_password; do
  keep "$name" "$(random)"
done
if [ ! -s secrets/redis.conf ] || [ ! -s secrets/redis_url ]; then
  rm -f secrets/redis.conf secrets/redis_url
  password=$(random)
  # Rates and circuits are of the moment: nothing of them is worth a disk.
  keep redis.conf "requirepass $password"$'\n''save ""'$'\n'"appendonly no"$'\n'"maxmemory 64mb"$'\n'"maxmemory-policy volatile-ttl"
  keep redis_url "redis://default:$password@redis:6379/0"
fi
