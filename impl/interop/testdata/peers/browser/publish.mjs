#!/usr/bin/env node
// @moq/publish in headless Chromium: publishes a camera and a microphone that Chromium makes up.
//   node publish.mjs --url URL --name PATH [--seconds N] [--fingerprint HEX] [--no-audio]
// It prints {"publishing"} once it is connected and has its sources, what the page complains of as {"complaint"}, and
// {"done"} N seconds later.
import { parseArgs } from "../lib/args.mjs";
import { emit, open, PAGE, play, run } from "./chromium.mjs";

const FLAGS = {
	url: {},
	name: {},
	seconds: { type: "int", default: 10 },
	audio: { type: "bool", default: true },
	insecure: { type: "bool", default: false },
	fingerprint: { default: "" },
	timeout: { type: "int", default: 60 },
	debug: { type: "bool", default: false },
};

run(async () => {
	const o = parseArgs(process.argv.slice(2), { ...FLAGS, ...PAGE });
	if (!o.url || !o.name) throw new Error("--url and --name are required");
	const said = (level, text) => {
		if (["error", "exception", "warning"].includes(level)) emit({ complaint: level, text });
	};
	const flags = [
		"--use-fake-device-for-media-stream",
		"--use-fake-ui-for-media-stream", // asks nobody for permission
		"--autoplay-policy=no-user-gesture-required",
	];
	await play(await open("camera.mjs", o, { flags, said }), "publish", o);
});
