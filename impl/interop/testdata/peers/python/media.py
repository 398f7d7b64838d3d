#!/usr/bin/env python3
"""moq-rs (the Rust reference) from Python, as a reader of a broadcast of media.

  media.py --url URL --broadcast PATH [--insecure]

It takes each rendition out of its container, to the end of its track, and prints a line for each. What it can decode, it
decodes as well: H.264, AAC and Opus.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import moq

MAX_AGE_US = 10_000_000


def emit(**obj) -> None:
    print(json.dumps(obj), flush=True)


async def read(broadcast, name: str, rendition) -> None:
    sub = await broadcast.subscribe_media(name, rendition, moq.Subscription(max_age_us=MAX_AGE_US, group_start=0))
    frames = [(len(f.payload), f.timestamp_us, f.keyframe) async for f in sub]
    emit(
        read=name,
        codec=rendition.codec,
        frames=len(frames),
        bytes=sum(size for size, _, _ in frames),
        keys=sum(key for _, _, key in frames),
    )


async def decode(broadcast, name: str, rendition, video: bool) -> None:
    if video:
        output = moq.VideoDecoderOutput(max_age_us=MAX_AGE_US)
        decoded = await broadcast.decode_video(name, rendition, output)
    else:
        output = moq.AudioDecoderOutput(format=moq.AudioSampleFormat.F32, max_age_us=MAX_AGE_US)
        decoded = await broadcast.decode_audio(name, rendition, output)
    emit(decoded=name, codec=rendition.codec, frames=len([None async for _ in decoded]))


async def run(o) -> None:
    async with moq.Client(o.url, tls_verify=not o.insecure) as client:
        broadcast = await client.announced_broadcast(o.broadcast)
        catalog = await broadcast.catalog()
        emit(catalog=[*catalog.video, *catalog.audio])
        work = []
        for name, video in catalog.video.items():
            work.append(read(broadcast, name, video))
            if video.codec.startswith("avc"):
                work.append(decode(broadcast, name, video, True))
        for name, audio in catalog.audio.items():
            work.append(read(broadcast, name, audio))
            work.append(decode(broadcast, name, audio, False))
        await asyncio.gather(*work)
    emit(done=True)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--url", required=True)
    p.add_argument("--broadcast", required=True)
    p.add_argument("--insecure", action="store_true")
    p.add_argument("--timeout", type=int, default=40)
    o = p.parse_args()
    asyncio.run(asyncio.wait_for(run(o), o.timeout))


if __name__ == "__main__":
    main()
