#!/usr/bin/env bash
# @moq/json 0.3.3 (npm), Window.Decoder, on Node 20, reading the segment index
# (timeline.z) that moq-rs 0.5.1 with moq-ffi 0.4.18 (PyPI) publishes, on Python 3.11.
#
# A new group of a window track begins with a header. Once the window is long, moq-rs
# restates only its end: {"offset":0,"start":73,"records":[…]}, where offset is the oldest
# record and start the number of the first that is listed. The decoder does not know
# "start" and counts from offset. A reader that joins there is given segment 73 as record
# 0, and later removals take the wrong records; one that reads on from the group before
# fails, since the window seems to have shrunk. It is the same broadcast in both cases:
# short ones, and the first few hundred segments of any, are read well.
#
# Seen, record numbers and segments of an index of 499 segments:
#   headers 1: offset 0 start none, 2: offset 0 start 73
#   read from group 1: 0=0 to 327=327, window header moved backwards
#   read from group 2: 0=73 to 425=498, end
set -euo pipefail
cd "$(mktemp -d)"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @moq/json@0.3.3
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check moq-rs==0.5.1 moq-ffi==0.4.18
cat >run.py <<'PY'
import asyncio, json, moq

SPS = bytes.fromhex("000000016742c01fd900780227e584")
PICTURE = SPS + bytes.fromhex("0000000168cb83cb20") + bytes.fromhex("0000000165888421")

async def main():
    broadcast = moq.BroadcastProducer()
    video = broadcast.publish_video(moq.VideoFormat.AVC3)
    for n in range(500):
        video.write_frame(PICTURE, 2_000_000 * n)  # a key frame every two seconds
    consumer = broadcast.consume()
    for sequence in 1, 2:
        group = await consumer.fetch_group("timeline.z", sequence)
        try:
            while frame := await asyncio.wait_for(group.read_frame(), 2):
                print(json.dumps([sequence, frame.payload.hex()]))
        except asyncio.TimeoutError:
            pass

asyncio.run(main())
PY
timeout 60 venv/bin/python run.py >frames
cat >run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { inflateRawSync, constants } from "node:zlib";
import { Window } from "@moq/json";

const frames = readFileSync("frames", "utf8").trim().split("\n").map(JSON.parse);
const bytes = (hex) => Buffer.from(hex, "hex");

function header(sequence) {
  const first = bytes(frames.find(([group]) => group === sequence)[1] + "0000ffff");
  const { offset, start } = JSON.parse(inflateRawSync(first, { finishFlush: constants.Z_SYNC_FLUSH }));
  return `${sequence}: offset ${offset} start ${start ?? "none"}`;
}

function read(from) {
  const decoder = new Window.Decoder({ compression: true });
  const seen = [];
  let group, sequence, end = "end";
  try {
    for (const [of, hex] of frames.filter(([of]) => of >= from)) {
      if (of !== sequence) [group, sequence] = [decoder.group(), of];
      group.decode(bytes(hex));
      for (let event; (event = decoder.next()); ) seen.push(`${event.push.index}=${event.push.value.segment}`);
    }
  } catch (error) {
    end = error.message;
  }
  return `${seen[0]} to ${seen.at(-1)}, ${end}`;
}

console.log(`headers ${header(1)}, ${header(2)}`);
for (const from of [1, 2]) console.log(`read from group ${from}: ${read(from)}`);
JS
diff <(node run.mjs) - <<'SEEN'
headers 1: offset 0 start none, 2: offset 0 start 73
read from group 1: 0=0 to 327=327, window header moved backwards
read from group 2: 0=73 to 425=498, end
SEEN
