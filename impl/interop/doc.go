// Package interop tests the module against implementations that share no code
// with it: moq-relay and moq-rs (Rust), @moq/net in Node and in Chromium, and
// for media the player @moq/watch in Chromium and moq-cli's recorder. It
// contains only tests.
//
// They run only with MOQ_INTEROP=1, since they need those programs; install
// what the error messages ask for (.ci/run does). Then a program that is
// missing is a failure. With MOQ_INTEROP=full, media is played from every kind
// of source, in every container, through every server, and for a minute.
//
// The table in README.md shows what works with which implementation. It is the
// result of these tests: a run of all of them fails if the two differ, and
// MOQ_INTEROP=update writes the table again. With MOQ_INTEROP=full, long tests
// are long.
//
// The programs in testdata/peers wrap the other implementations. All have the
// same flags and the same output: one JSON object on each line. What they need
// is installed there, or in the directory that MOQ_PEERS names: node_modules,
// and python/venv. moq-relay is looked for in $MOQ_RELAY, on the PATH, and in
// ../shared/peers/bin beside the repository, and moq-cli in $MOQ_CLI and the
// same places: its tests alone are skipped where it is missing. Chromium is
// looked for in $CHROMIUM, and where Debian's packages install it.
package interop
