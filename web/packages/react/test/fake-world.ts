/** A world in which tests decide what time it is, what the network does, and what chance brings. */
import type { Environment, Socket } from "../src/core/environment.ts";

export class FakeSocket implements Socket {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly sent: string[] = [];
  isClosed = false;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  /** Whoever plays the server hears what is sent. */
  onsent: (text: string) => void = () => {};

  constructor(url: string, protocols: readonly string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(text: string): void {
    this.sent.push(text);
    this.onsent(text);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.({});
  }

  say(...messages: (object | string)[]): void {
    this.onmessage?.({
      data: messages.map((message) => (typeof message === "string" ? message : JSON.stringify(message))).join("\n"),
    });
  }

  drop(code = 1006, reason = ""): void {
    this.isClosed = true;
    this.onclose?.({ code, reason });
  }

  commands(): Record<string, unknown>[] {
    return this.sent.map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

export class FakeWorld implements Environment {
  time = Date.parse("2026-02-27T10:30:00Z");
  sockets: FakeSocket[] = [];
  requests: { url: URL; init: RequestInit }[] = [];
  onsocket: (socket: FakeSocket) => void = () => {};
  answer: (url: URL, init: RequestInit) => Response | Promise<Response> = () => {
    throw new TypeError("no network");
  };
  #timers: { at: number; run: () => void }[] = [];
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  now = (): number => this.time;

  /** mulberry32: small, and the same on every machine. */
  random = (): number => {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.time + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  openSocket = (url: string, protocols: readonly string[]): FakeSocket => {
    const socket = new FakeSocket(url, protocols);
    this.sockets.push(socket);
    this.onsocket(socket);
    return socket;
  };

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const request = { url: new URL(url), init };
    this.requests.push(request);
    return this.answer(request.url, init);
  };

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Lets time pass, and everything happen that was to happen in it. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settled();
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
    await settled();
  }
}

/** Everything that only waited for its turn has had it. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
