#!/usr/bin/env node
// @moq/watch in headless Chromium: plays a broadcast.
//   node watch.mjs --url URL --name PATH [--seconds N] [--fingerprint HEX] [--no-video] [--no-audio]
// It prints {"catalog"}, {"playing"} with the first picture and sound, a sample each 250 ms, what the page complains of
// as {"complaint"}, and {"done"} after N seconds of play.
import { parseArgs } from "../lib/args.mjs";
import { emit, open, PAGE, play, run } from "./chromium.mjs";

const FLAGS = {
	url: {},
	name: {},
	seconds: { type: "int", default: 4 },
	video: { type: "bool", default: true }, // wait for pictures
	audio: { type: "bool", default: true }, // wait for sound
	insecure: { type: "bool", default: false },
	fingerprint: { default: "" },
	timeout: { type: "int", default: 60 },
	debug: { type: "bool", default: false },
};

run(async () => {
	const o = parseArgs(process.argv.slice(2), { ...FLAGS, ...PAGE });
	if (!o.url || !o.name) throw new Error("--url and --name are required");
	const said = (level, text) => {
		if (["error", "exception", "warning", "log"].includes(level) && !text.startsWith("[audio")) emit({ complaint: level, text });
	};
	const evaluate = await open("player.mjs", o, { flags: ["--autoplay-policy=no-user-gesture-required"], said });
	await play(evaluate, "watch", o);
});
