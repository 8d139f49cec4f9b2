#!/usr/bin/env bash
# Gives the module, and the modules inside it, another path, for whoever publishes it:
#
#	scripts/rename-module.sh github.com/you/maru
#
# It rewrites the path wherever a file under version control names it: go.mod files,
# imports, documents. Then it runs gofmt and checks that everything still compiles, the tests too.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
	echo "usage: scripts/rename-module.sh NEW/MODULE/PATH, for example github.com/you/maru" >&2
	exit 2
}
[ $# -eq 1 ] || usage
new=$1
old=$(go list -m -f '{{.Path}}')

# https://go.dev/ref/mod#go-mod-file-ident: the first element needs a dot to be fetched.
if ! [[ $new =~ ^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._~-]+)+$ ]]; then
	echo "rename-module: $new is not a module path that Go can fetch: it begins with a host name and has no / at its end" >&2
	usage
fi
# internal/xconnect must be initialized before net/http, and Go initializes packages in
# the order of their paths.
if [[ $(printf '%s\n' "$new" net/http | LC_ALL=C sort | head -n 1) != "$new" ]]; then
	echo "rename-module: $new sorts after net/http, and internal/xconnect needs a path that sorts before it (see its package comment)" >&2
	exit 1
fi
if [ "$new" = "$old" ]; then
	echo "the module is called $new already"
	exit 0
fi

# Only whole paths: what follows is a slash, or no part of a path.
escaped=${old//./\\.}
git grep -lIF "$old" | while read -r file; do
	sed -i.renamed -E "s#(^|[^A-Za-z0-9._~/-])$escaped(\$|[^A-Za-z0-9._~-])#\1$new\2#g" "$file"
	rm "$file.renamed"
done
git grep -l "$new" -- '*.go' | xargs gofmt -w

find . -name go.mod -not -path '*/node_modules/*' | while read -r mod; do
	(cd "$(dirname "$mod")" && go vet ./...)
done
echo "$old is now $new"
