// A page in headless Chromium, driven over the DevTools protocol; nothing but `ws` and `esbuild` is needed.
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import WS from "ws";

const here = path.dirname(fileURLToPath(import.meta.url));

export const emit = (obj) => fs.writeSync(1, `${JSON.stringify(obj)}\n`);

// Flags of the page, for parseArgs.
export const PAGE = { pagePort: { type: "int", default: 0 }, pageHost: { default: "127.0.0.1" } };

function findChromium() {
	const candidates = [
		process.env.CHROMIUM,
		"/usr/lib/chromium/chromium-headless-shell", // Debian's; /usr/bin/* are wrapper scripts
		"/usr/lib/chromium/chromium",
		"/usr/bin/google-chrome",
	];
	for (const c of candidates) if (c && fs.existsSync(c)) return c;
	throw new Error("no Chromium found: apt-get install chromium-headless-shell, or set CHROMIUM");
}

async function bundle(entry) {
	const res = await esbuild.build({
		entryPoints: [path.join(here, entry)],
		bundle: true,
		format: "esm",
		write: false,
		logLevel: "error",
		nodePaths: [path.join(here, "../node_modules")],
	});
	return res.outputFiles[0].text;
}

class Devtools {
	#ws;
	#id = 0;
	#calls = new Map();
	#events = [];
	static async open(url) {
		const d = new Devtools();
		d.#ws = new WS(url, { perMessageDeflate: false });
		await new Promise((res, rej) => d.#ws.once("open", res).once("error", rej));
		d.#ws.on("message", (data) => {
			const msg = JSON.parse(data);
			if (msg.id) {
				const { res, rej } = d.#calls.get(msg.id);
				d.#calls.delete(msg.id);
				msg.error ? rej(new Error(msg.error.message)) : res(msg.result);
			} else for (const fn of d.#events) fn(msg);
		});
		return d;
	}
	on(fn) {
		this.#events.push(fn);
	}
	send(method, params = {}, sessionId) {
		const id = ++this.#id;
		this.#ws.send(JSON.stringify({ id, method, params, sessionId }));
		return new Promise((res, rej) => this.#calls.set(id, { res, rej }));
	}
}

let chrome;
let closed; // resolves when Chromium and its children, which share its stderr and write to the profile, are gone
let profile;
async function cleanup() {
	if (chrome) {
		chrome.kill("SIGTERM");
		const t = setTimeout(() => chrome.kill("SIGKILL"), 2000);
		await closed;
		clearTimeout(t);
	}
	if (profile) fs.rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
}

// exit ends Chromium and this program, after it has printed obj.
export async function exit(code, obj) {
	await cleanup();
	if (obj) emit(obj);
	process.exit(code);
}

// serve returns the address of a page that runs a script.
async function serve(entry, o) {
	const code = await bundle(entry);
	const server = http.createServer((req, res) => {
		if (req.url === "/page.js") {
			res.setHeader("Content-Type", "text/javascript");
			return res.end(code);
		}
		res.setHeader("Content-Type", "text/html");
		res.end('<!doctype html><title>peer</title><body><script type="module" src="/page.js"></script>');
	});
	await new Promise((res) => server.listen(o.pagePort, o.pageHost, res));
	return `http://${o.pageHost}:${server.address().port}/`;
}

// launch starts Chromium and returns the address of its DevTools.
async function launch(o, flags) {
	profile = fs.mkdtempSync(path.join(os.tmpdir(), "moq-chromium-"));
	const args = [
		"--headless",
		"--no-sandbox", // running as root
		"--disable-gpu",
		"--disable-dev-shm-usage",
		"--no-first-run",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-sync",
		"--no-proxy-server",
		"--remote-debugging-port=0",
		`--user-data-dir=${profile}`,
		// NB: no --disable-quic here. Chromium has no switch to skip certificate checks for WebTransport other
		// than pinning; --ignore-certificate-errors reaches wss:// and https:// only.
		...(o.insecure || o.fingerprint ? ["--ignore-certificate-errors"] : []),
		...flags,
		...(process.env.CHROMIUM_ARGS?.split(" ").filter(Boolean) ?? []),
		"about:blank",
	];
	chrome = spawn(findChromium(), args, { stdio: ["ignore", "ignore", "pipe"] });
	closed = new Promise((r) => chrome.once("close", r));
	let stderr = "";
	return await new Promise((res, rej) => {
		chrome.stderr.on("data", (d) => {
			stderr += d;
			if (o.debug) process.stderr.write(d);
			const m = stderr.match(/DevTools listening on (ws:\S+)/);
			if (m) res(m[1]);
		});
		chrome.once("exit", (c) => rej(new Error(`Chromium exited with ${c}: ${stderr.slice(-500)}`)));
	});
}

// open shows a page that runs the script of a file here. What the script gives to peerEmit is printed, and what it
// writes to the console, or throws, is given to said. It returns a function that evaluates an expression in the page.
export async function open(entry, o, { flags = [], said = () => {} } = {}) {
	const page = await serve(entry, o);
	const dt = await Devtools.open(await launch(o, flags));
	const { targetId } = await dt.send("Target.createTarget", { url: "about:blank" });
	const { sessionId } = await dt.send("Target.attachToTarget", { targetId, flatten: true });
	const call = (method, params) => dt.send(method, params, sessionId);
	const say = (level, text) => {
		if (o.debug) process.stderr.write(`[${level}] ${text}\n`);
		said(level, text);
	};
	let loaded;
	const load = new Promise((r) => {
		loaded = r;
	});
	dt.on(({ method, params }) => {
		if (method === "Runtime.bindingCalled" && params.name === "peerEmit") emit(JSON.parse(params.payload));
		if (method === "Runtime.consoleAPICalled") say(params.type, params.args.map((a) => a.value ?? a.description ?? "").join(" "));
		if (method === "Log.entryAdded") say("log", params.entry.text);
		if (method === "Runtime.exceptionThrown")
			say("exception", params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
		if (method === "Page.loadEventFired") loaded();
	});
	await call("Page.enable");
	await call("Runtime.enable");
	await call("Log.enable");
	await call("Runtime.addBinding", { name: "peerEmit" });
	await call("Page.navigate", { url: page });
	await load;
	return (expression) => call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
}

// play calls the page's function runPeer with the command and the flags, and ends with what it returns: an error, or
// nothing.
export async function play(evaluate, command, o) {
	const timer = setTimeout(async () => {
		const where = await Promise.race([evaluate("globalThis.peerWhere"), new Promise((r) => setTimeout(r, 1000))]).catch(
			() => undefined,
		);
		const w = where?.result?.value ?? {};
		if (w.produced) exit(0, { done: true, warning: `timeout after ${o.timeout}s waiting for ${w.step}` });
		else exit(1, { error: `timeout after ${o.timeout}s waiting for ${w.step}` });
	}, o.timeout * 1000);
	const res = await evaluate(`runPeer(${JSON.stringify(command)}, ${JSON.stringify(o)})`);
	clearTimeout(timer);
	const error = res.exceptionDetails ? (res.exceptionDetails.exception?.description ?? res.exceptionDetails.text) : res.result.value;
	await exit(error ? 1 : 0, error ? { error } : undefined);
}

// run runs a program to its end, and tells why it failed.
export function run(main) {
	for (const sig of ["SIGTERM", "SIGINT"]) process.on(sig, () => exit(143));
	main().catch((err) => exit(1, { error: err instanceof Error ? err.message : String(err) }));
}
