/** What the core asks of the world: time, chance, timers, sockets and requests. Tests bring their own. */

/** The part of a WebSocket that is used. */
export interface Socket {
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface Environment {
  /** Milliseconds since 1970, with fractions. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Runs something once after so many milliseconds, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
  openSocket(url: string, protocols: readonly string[]): Socket;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** The world as a browser, or another runtime with its interfaces, has it. */
export function ownEnvironment(): Environment {
  return {
    now: () => performance.timeOrigin + performance.now(),
    random: Math.random,
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    openSocket: (url, protocols) => new WebSocket(url, [...protocols]) as Socket,
    fetch: (url, init) => fetch(url, init),
  };
}
