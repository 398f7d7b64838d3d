// Package interop proves the module against implementations that it does not
// share a line with: moq-relay and moq-rs (Rust), @moq/net in Node and in
// Chromium. It has tests alone.
//
// They stand behind a switch, since they need those programs: set
// MOQ_INTEROP=1, and install what the error messages ask for (.ci/run does).
// With the switch on, a program that is missing is a failure.
//
// What works with whom, the table in README.md beside this, is the outcome of these tests:
// a run of all of them fails where the two differ, and MOQ_INTEROP=update
// writes the table anew.
//
// The programs in testdata/peers wrap the other implementations, all with the
// same flags and the same output: one JSON object a line. What they need is
// installed there, or in the directory that MOQ_PEERS names: node_modules, and
// python/venv. moq-relay is looked for in $MOQ_RELAY, on the PATH, and in
// ../shared/peers/bin beside the repository; Chromium in $CHROMIUM, and where
// Debian's packages put it.
package interop
