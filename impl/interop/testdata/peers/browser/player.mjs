// Runs in the page. Bundled by watch.mjs.
import "@moq/watch/element";
import { unhex } from "../lib/core.mjs";

const emit = (obj) => globalThis.peerEmit(JSON.stringify(obj));
const interval = 250; // ms between two samples
const fresh = 100; // ms after which what was said of the sound's clock is old

// player returns the element, which has begun to play.
function player(o) {
	const watch = document.createElement("moq-watch");
	watch.setAttribute("visible", "always");
	watch.append(document.createElement("canvas"));
	if (o.fingerprint)
		watch.connection.webtransport = { serverCertificateHashes: [{ algorithm: "sha-256", value: unhex(o.fingerprint) }] };
	watch.connection.websocket = { enabled: false };
	watch.setAttribute("url", o.url);
	watch.setAttribute("name", o.name);
	document.body.append(watch);
	return watch;
}

// An eye tells how many different pictures the canvas has shown.
class Eye {
	#small = new OffscreenCanvas(16, 16).getContext("2d", { willReadFrequently: true });
	#seen = new Set();
	look(canvas) {
		if (!canvas.width || !canvas.height) return;
		this.#small.drawImage(canvas, 0, 0, 16, 16);
		this.#seen.add(this.#small.getImageData(0, 0, 16, 16).data.join());
	}
	get pictures() {
		return this.#seen.size;
	}
}

// A meter follows the times of the pictures that are drawn and of the sound that is played, in ms of media time.
class Meter {
	shown = 0;
	picture;
	sound;
	stalls = 0;
	#soundAt;
	#differences = [];
	constructor(watch) {
		watch.renderer.out.timestamp.subscribe((t) => this.#drawn(t));
		watch.audio.out.timestamp.subscribe((t) => {
			if (t === undefined || watch.audio.out.stalled.peek()) return;
			this.sound = t;
			this.#soundAt = performance.now();
		});
		watch.audio.out.stalled.subscribe((stalled) => {
			if (stalled && this.sound !== undefined) this.stalls++;
		});
	}
	#drawn(t) {
		if (t === undefined || t === this.picture) return;
		this.picture = t;
		this.shown++;
		const since = performance.now() - this.#soundAt;
		if (since < fresh) this.#differences.push(Math.round((this.sound + since - t) * 10) / 10);
	}
	// differences returns those of the pictures since the last call: how far the sound was ahead when they were drawn.
	differences() {
		return this.#differences.splice(0);
	}
}

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

globalThis.runPeer = async (_, o) => {
	const where = { step: "a catalog" };
	globalThis.peerWhere = where;
	emit({ browser: navigator.userAgent.match(/(Headless)?Chrome\/\S+/)?.[0], secure: isSecureContext });
	const watch = player(o);
	const meter = new Meter(watch);
	const eye = new Eye();
	watch.broadcast.out.catalog.subscribe((catalog) => emit({ catalog: catalog ?? null }));
	while (!watch.catalog) await sleep(10);
	where.step = "pictures and sound";
	while ((o.video && meter.shown === 0) || (o.audio && meter.sound === undefined)) await sleep(10);
	emit({ playing: true, transport: watch.connection.established.peek()?.version });
	const began = performance.now();
	const [first, before] = [meter.sound, meter.shown];
	meter.differences();
	const progress = () => ({
		ms: Math.round(performance.now() - began),
		shown: meter.shown - before,
		received: watch.video.out.stats.peek()?.frameCount ?? 0,
		different: eye.pictures,
		picture: meter.picture,
		sound: meter.sound,
		heard: meter.sound - first,
		stalls: meter.stalls,
		buffer: watch.sync.out.buffer.peek(),
	});
	while (performance.now() - began < o.seconds * 1000) {
		await sleep(interval);
		eye.look(watch.querySelector("canvas"));
		emit({ sample: true, ...progress(), differences: meter.differences() });
	}
	emit({ done: true, ...progress() });
	return null;
};
