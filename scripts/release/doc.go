// Command release builds the archives of a release in dist/: the program, static, for each
// system, with README, LICENSE and CHANGELOG; and SHA256SUMS, which `sha256sum --check` reads.
// Arguments such as linux/amd64 choose systems; without, it builds for all of them.
//
// The names of the archives contain the version that the program itself reports, which the Go tool
// takes from the repository: build from a clean checkout of a tag.
//
// The same commit gives the same bytes with the same version of Go: the programs know nothing of
// the machine that built them, and all times are SOURCE_DATE_EPOCH
// (https://reproducible-builds.org/specs/source-date-epoch).
package main
