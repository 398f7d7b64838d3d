#!/usr/bin/env bash
# moq-rs 0.5.1 with moq-ffi 0.4.18 (PyPI), JSON tracks of both kinds, on Python 3.11.
#
# The values of JSON tracks are parsed and written anew on their way, by a parser that
# may miss a double by one unit in the last place. A stream of records is called
# lossless, and about one in nine numbers with all their 17 digits arrives changed;
# numbers with six decimals arrive as they were. The frame on the wire already has the
# changed number, so readers in other languages get it as well. Do not use a number of
# full precision (a time in seconds with its fraction, say) as a key, nor compare it
# for equality with what was sent.
#
# Seen:
#   sent 0.19391804148893754
#   wire b'{"v":0.19391804148893751}'
#   read 0.19391804148893751
#   sent 12.345678, read 12.345678
#   changed: between 5 and 20 of 100: True
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check moq-rs==0.5.1 moq-ffi==0.4.18
cat >run.py <<'PY'
import asyncio, random, moq

async def main():
    broadcast = moq.BroadcastProducer()
    records = broadcast.publish_json_stream("records")
    consumer = broadcast.consume()
    values = await consumer.subscribe_json_stream("records")
    track = await consumer.subscribe_track("records")
    records.append({"v": 0})
    await anext(values)
    frames = await track.recv_group()
    await frames.read_frame()

    async def send(v):
        records.append({"v": v})
        frame = await asyncio.wait_for(frames.read_frame(), 5)
        return frame.payload, (await asyncio.wait_for(values.__anext__(), 5))["v"]

    wire, read = await send(0.19391804148893754)
    print("sent", 0.19391804148893754)
    print("wire", wire)
    print("read", read)
    print("sent 12.345678, read", (await send(12.345678))[1])
    random.seed(1)
    numbers = [random.random() for _ in range(100)]
    changed = sum([(await send(v))[1] != v for v in numbers])
    print("changed: between 5 and 20 of 100:", 5 <= changed <= 20)

asyncio.run(main())
PY
diff <(timeout 60 venv/bin/python run.py) - <<'SEEN'
sent 0.19391804148893754
wire b'{"v":0.19391804148893751}'
read 0.19391804148893751
sent 12.345678, read 12.345678
changed: between 5 and 20 of 100: True
SEEN
