#!/usr/bin/env bash
# generate.sh CODE CRDS: writes what is generated of policies/v1alpha1: DeepCopy into the folder CODE, CRDs into the folder CRDS.
# generate.sh --check: tells whether what lies in the repository is what would be written.
set -euo pipefail
cd "$(dirname "$0")/.."

generate() {
	bin/controller-gen object crd paths=./policies/v1alpha1 output:object:dir="$1" output:crd:artifacts:config="$2"
}

if [ "$1" != --check ]; then
	generate "$1" "$2"
	exit
fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
generate "$fresh/code" "$fresh/crds"
diff -u policies/v1alpha1/zz_generated.deepcopy.go "$fresh/code/zz_generated.deepcopy.go" && diff -ru charts/portcullis/files/crds "$fresh/crds" ||
	{ printf 'generated files are not current; run `make generate`\n' >&2; exit 1; }
