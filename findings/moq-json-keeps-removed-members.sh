#!/usr/bin/env bash
# @moq/json 0.3.3 (npm), Snapshot.Encoder and Snapshot.Decoder, on Node 20.
#
# A member whose name every JavaScript object has by inheritance ("constructor",
# "toString", "valueOf") is never removed at the readers: the encoder looks for the
# name in the new document with the operator "in", which finds the inherited one. The
# patch is empty but is sent, and readers keep the member until the next whole
# document. Such names are ordinary where keys are data, as in a map of people by
# their trade or of counters by the name of a method.
#
# Seen:
#   patch {"driver":"Ann","constructor":"Bob"} reader {"n":1,"driver":"Ann","constructor":"Bob"}
#   patch {"driver":null} reader {"n":1,"constructor":"Bob"}
set -euo pipefail
cd "$(mktemp -d)"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @moq/json@0.3.3
cat >run.mjs <<'JS'
import { Snapshot } from "@moq/json";
const encoder = new Snapshot.Encoder(), decoder = new Snapshot.Decoder();
function publish(value) {
  const frame = encoder.update(value);
  frame.commit();
  frame.keyframe ? decoder.snapshot(frame.payload) : decoder.delta(frame.payload);
  const text = new TextDecoder().decode(frame.payload);
  return `${frame.keyframe ? "whole" : "patch"} ${text} reader ${JSON.stringify(decoder.decode())}`;
}
publish({ n: 1 });
console.log(publish({ n: 1, driver: "Ann", constructor: "Bob" }));
console.log(publish({ n: 1 }));
JS
diff <(node run.mjs) - <<'SEEN'
patch {"driver":"Ann","constructor":"Bob"} reader {"n":1,"driver":"Ann","constructor":"Bob"}
patch {"driver":null} reader {"n":1,"constructor":"Bob"}
SEEN
