// Runs in the page. Bundled by publish.mjs.
import "@moq/publish/element";
import { unhex } from "../lib/core.mjs";

const emit = (obj) => globalThis.peerEmit(JSON.stringify(obj));
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

globalThis.runPeer = async (_, o) => {
	const where = { step: "a camera" };
	globalThis.peerWhere = where;
	const publish = document.createElement("moq-publish");
	publish.append(document.createElement("video"));
	if (o.fingerprint)
		publish.connection.webtransport = { serverCertificateHashes: [{ algorithm: "sha-256", value: unhex(o.fingerprint) }] };
	publish.connection.websocket = { enabled: false };
	publish.muted = !o.audio;
	publish.setAttribute("url", o.url);
	publish.setAttribute("name", o.name);
	publish.setAttribute("source", "camera");
	document.body.append(publish);
	const { video, audio } = publish.broadcast;
	while (!video.source.peek()) await sleep(10);
	where.step = "a microphone";
	while (o.audio && !audio.source.peek()) await sleep(10);
	where.step = "a connection";
	while (!publish.connection.established.peek()) await sleep(10);
	emit({ publishing: o.name, version: publish.connection.established.peek().version });
	await sleep(o.seconds * 1000);
	emit({ done: true });
	return null;
};
