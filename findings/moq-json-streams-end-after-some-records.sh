#!/usr/bin/env bash
# @moq/json 0.3.3 with @moq/net 0.3.4 (npm), Stream, on Node 20; moq-rs 0.5.1 with moq-ffi
# 0.4.18 (PyPI), publish_json_stream, on Python 3.11.
#
# A stream is described as a lossless log: every record in one group that is never closed.
# Groups are bounded, though. In JavaScript a log of more than 1,024 records is accepted,
# and whoever subscribed early goes on reading, but no later subscriber gets a record any
# more, not even new ones: each read throws. A record a second fills that in 17 minutes.
# In moq-rs record 8,193 is refused, and with it the track ends: its catalog entry goes,
# and a subscriber finds no track. Start a new track, or send snapshots, well before.
#
# Seen, for a subscriber that comes after so many records:
#   JavaScript 1024: {"n":0}
#   JavaScript 1025: lagged: frames were evicted before being read
#   then a new record: lagged: frames were evicted before being read
#   Python 8192: appended 8192, {'n': 0}
#   Python 8193: appended 8192, NotFound
set -euo pipefail
cd "$(mktemp -d)"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @moq/json@0.3.3 @moq/net@0.3.4
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check moq-rs==0.5.1 moq-ffi==0.4.18
cat >run.mjs <<'JS'
import { Stream } from "@moq/json";
import { Broadcast } from "@moq/net";

const read = (log) => log.next().then(JSON.stringify, (error) => error.message);
for (const count of [1024, 1025]) {
  const broadcast = new Broadcast.Producer();
  const log = new Stream.Producer(broadcast.createTrack("log"));
  const early = new Stream.Consumer(broadcast.subscribe("log"));
  for (let n = 0; n < count; n++) {
    log.append({ n });
    if ((await early.next()).n !== n) throw new Error("early subscriber missed " + n);
  }
  const late = new Stream.Consumer(broadcast.subscribe("log"));
  console.log(`JavaScript ${count}: ${await read(late)}`);
  log.append({ n: count });
  if (count > 1024) console.log(`then a new record: ${await read(late)}`);
}
JS
cat >run.py <<'PY'
import asyncio, moq

async def main():
    for count in 8192, 8193:
        broadcast = moq.BroadcastProducer()
        log = broadcast.publish_json_stream("log")
        appended = 0
        try:
            for n in range(count):
                log.append({"n": n})
                appended += 1
        except Exception:
            pass
        try:
            records = await broadcast.consume().subscribe_json_stream("log")
            seen = await asyncio.wait_for(anext(records), 5)
        except Exception as error:
            seen = type(error).__name__
        print(f"Python {count}: appended {appended}, {seen}")

asyncio.run(main())
PY
diff <(timeout 60 node run.mjs && timeout 60 venv/bin/python run.py) - <<'SEEN'
JavaScript 1024: {"n":0}
JavaScript 1025: lagged: frames were evicted before being read
then a new record: lagged: frames were evicted before being read
Python 8192: appended 8192, {'n': 0}
Python 8193: appended 8192, NotFound
SEEN
