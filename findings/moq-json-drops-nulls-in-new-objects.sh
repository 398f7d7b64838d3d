#!/usr/bin/env bash
# @moq/json 0.3.3 (npm), Snapshot.Encoder and Snapshot.Decoder, on Node 20.
#
# A JSON Merge Patch cannot carry null as a value, so the encoder starts a new group
# with the whole document when a value becomes null. It does so only for a null that
# is a member's own new value. A null within an object that is added as a whole is
# written into the patch, and the reader deletes it there: the writer holds
# {"door":{"open":null}}, every reader {"door":{}}, until the next whole document.
# The Rust encoder (PyPI moq-rs 0.5.1) starts a new group in this case.
#
# Seen:
#   patch {"door":{"open":null}} reader {"n":1,"door":{}}
#   patch {"n":2} reader {"n":2,"door":{}}
#   whole {"n":2,"door":null} reader {"n":2,"door":null}
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
console.log(publish({ n: 1, door: { open: null } }));
console.log(publish({ n: 2, door: { open: null } }));
console.log(publish({ n: 2, door: null }));
JS
diff <(node run.mjs) - <<'SEEN'
patch {"door":{"open":null}} reader {"n":1,"door":{}}
patch {"n":2} reader {"n":2,"door":{}}
whole {"n":2,"door":null} reader {"n":2,"door":null}
SEEN
