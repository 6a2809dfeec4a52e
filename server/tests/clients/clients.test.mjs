// Clients that others wrote follow a real server: Chromium, Firefox, ws for Node and websockets for Python. Each has two
// subscriptions while events flow, one live and one from the beginning, and checks every cursor. A proxy in between counts
// what the live one costs on the wire, which permessage-deflate makes at least six times less. Browsers also follow a
// stream over plain HTTP by EventSource, with tickets.
//
// TODOKI is the program to test; CHROMIUM, FIREFOX and PYTHON are others to use than Debian's.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { follow } from "./follow.mjs";

const TOKEN = "clients-secret-token";
const HERE = import.meta.dirname;
const PATIENCE = 120_000;

/** Events that the live subscription is given; each window of the stream's context has up to 128. */
const LIVE_EVENTS = 2_000;
const LEAST_RATIO = 6;

let server, pages, base, directory, publishing;

before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "todoki-clients-"));
  pages = await servePages();
  server = spawn(
    process.env.TODOKI,
    ["serve", "--listen", "127.0.0.1:0", "--token", TOKEN, "--data-dir", path.join(directory, "data"), "--allow-origin", pages.origin],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  for await (const line of readline.createInterface(server.stdout)) {
    base = /listens on http:\/\/(\S+)/.exec(line)?.[1];
    if (base) break;
  }
  server.stdout.resume();
  publishing = new AbortController();
  publish(publishing.signal).catch((error) => {
    if (!publishing.signal.aborted) throw error;
  });
});

after(async () => {
  publishing?.abort();
  if (server) {
    server.kill();
    await once(server, "exit");
  }
  pages?.close();
  await rm(directory, { recursive: true, force: true });
});

const BROWSERS = {
  chromium: [process.env.CHROMIUM ?? "chromium", (profile, page) => [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`, page,
  ]],
  firefox: [process.env.FIREFOX ?? "firefox-esr", (profile, page) => [
    "--headless", "--no-remote", "--profile", profile, page,
  ]],
};

for (const [name, browser] of Object.entries(BROWSERS)) {
  test(name, (t) => compare((task) => report(t, browser, follows({ ...task, events: LIVE_EVENTS }))));

  test(`EventSource of ${name}`, async (t) => {
    const task = { api: `http://${base}`, token: TOKEN, events: LIVE_EVENTS };
    const seen = await report(t, browser, followsEvents(task));
    assert.equal(seen.error, undefined);
    assert.ok(seen.events >= LIVE_EVENTS && seen.last === seen.events, "from the first on, without a hole");
    assert.deepEqual(seen.types.slice(0, 1), ["subscribed"]);
    assert.ok(seen.types.includes("replay_complete") && !seen.types.includes("gap"));
  });
}

test("ws for node", () => compare(({ live, whole, subprotocols }) =>
  follow((url) => new WebSocket(url, subprotocols), live, whole, LIVE_EVENTS)));

test("websockets for python", () => compare(async (task) => {
  const client = spawn(process.env.PYTHON ?? "/usr/bin/python3", [path.join(HERE, "follow.py")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  client.stdin.end(JSON.stringify({ ...task, events: LIVE_EVENTS }));
  const [output] = await Promise.all([text(client.stdout), once(client, "exit")]);
  return JSON.parse(output);
}));

/** Lets a browser open a page with this script, and waits for what it reports. */
async function report(t, [program, flags], script) {
  const profile = await mkdtemp(path.join(directory, "profile-"));
  const { page, report } = pages.offer(script);
  const child = spawn(program, flags(profile, page), { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  return Promise.race([report, failed, late(`${program} reported nothing`)]);
}

/** Has a client follow, and holds what it saw to what the wire carried. */
async function compare(client) {
  const [liveWire, wholeWire] = [await proxy(), await proxy()];
  try {
    const seen = await Promise.race([
      client({
        live: `ws://127.0.0.1:${liveWire.port}/ws/event-bus`,
        whole: `ws://127.0.0.1:${wholeWire.port}/ws/event-bus?cursor=0`,
        subprotocols: ["todoki.v1", `base64url.bearer.authorization.todoki.${Buffer.from(TOKEN).toString("base64url")}`],
      }),
      late("the client did not finish"),
    ]);
    assert.equal(seen.error, undefined);
    assert.match(seen.extensions, /^permessage-deflate/);
    assert.equal(seen.protocol, "todoki.v1");
    assert.ok(seen.wholeEvents > LIVE_EVENTS, "history and live events, without a hole");
    const ratio = seen.liveBytes / liveWire.received();
    console.log(`# ${seen.liveBytes} bytes of messages came in ${liveWire.received()}: ${ratio.toFixed(2)} times fewer`);
    assert.ok(ratio >= LEAST_RATIO, `only ${ratio.toFixed(2)} times fewer bytes`);
  } finally {
    liveWire.close();
    wholeWire.close();
  }
}

/** Passes bytes on to the server, and counts those that come back. */
async function proxy() {
  let received = 0;
  const sockets = new Set();
  const listener = net.createServer((client) => {
    const [host, port] = base.split(":");
    const upstream = net.connect(Number(port), host);
    upstream.on("data", (bytes) => { received += bytes.length; });
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // Either side may leave whenever it likes.
      socket.on("error", () => socket.destroy());
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: listener.address().port,
    received: () => received,
    close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Serves the page that follows, and takes what it reports. */
async function servePages() {
  const offers = new Map();
  const listener = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://page");
    const offer = offers.get(searchParams.get("offer"));
    if (pathname === "/follow.mjs" || pathname === "/follow-events.mjs") {
      response.setHeader("Content-Type", "text/javascript");
      return response.end(await readFile(path.join(HERE, pathname)));
    }
    if (pathname === "/report" && offer) {
      offer.resolve(JSON.parse(await text(request)));
      return response.end();
    }
    if (pathname === "/" && offer) {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      return response.end(page(searchParams.get("offer"), offer.script));
    }
    response.statusCode = 404;
    response.end();
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const origin = `http://127.0.0.1:${listener.address().port}`;
  return {
    origin,
    offer(script) {
      const name = String(offers.size);
      const report = new Promise((resolve) => offers.set(name, { script, resolve }));
      return { page: `${origin}/?offer=${name}`, report };
    },
    close: () => listener.close(),
  };
}

/** A page whose script leaves what it saw in `seen`. */
const page = (offer, script) => `<!doctype html>
<meta charset="utf-8">
<title>Todoki: a client under test</title>
<script type="module">
  ${script}
  await fetch("/report?offer=${offer}", { method: "POST", body: JSON.stringify(await seen) });
</script>`;

const follows = ({ live, whole, subprotocols, events }) => `import { follow } from "/follow.mjs";
  const subprotocols = ${JSON.stringify(subprotocols)};
  const seen = follow((url) => new WebSocket(url, subprotocols), "${live}", "${whole}", ${events})
    .catch((error) => ({ error: String(error) }));`;

const followsEvents = ({ api, token, events }) => `import { followEvents } from "/follow-events.mjs";
  const seen = followEvents("${api}", "${token}", ${events}).catch((error) => ({ error: String(error) }));`;

/** Emits what agents say, 10 events every 10 ms. */
async function publish(signal) {
  for (let step = 0; !signal.aborted; step += 1) {
    const drafts = Array.from({ length: 10 }, (_, place) => draft(step * 10 + place));
    const response = await fetch(`http://${base}/api/event-bus/emit`, {
      method: "POST",
      headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
      body: JSON.stringify(drafts),
      signal,
    });
    assert.equal(response.status, 200, await response.text());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const KINDS = ["task.created", "agent.output", "agent.output", "task.status_changed", "artifact.created"];

function draft(number) {
  const agent = (number * 7) % 13;
  return {
    kind: KINDS[number % KINDS.length],
    agent_id: `6f1e8c1e-52f5-4b5a-9a51-0c9a3c1a7d${(16 + agent).toString(16)}`,
    task_id: `018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e${(16 + (number % 40)).toString(16)}`,
    data: { content: `step ${(number * 7919) % 997} finished — ok`, n: (number * number) % 10007 },
  };
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

function late(what) {
  return new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error(what)).unref());
}
