/** Round trips and the server's clock, from `ping` and `pong`. Asks nobody the time. */

/** A median of five is steady, and one slow trip does not show. */
const SAMPLES = 5;

export class Latency {
  #samples: number[] = [];
  #best = Number.POSITIVE_INFINITY;
  /** The server's clock minus ours by the shortest trip, which leaves the least to guess; null before the first. */
  offsetMs: number | null = null;

  /** Takes notice of a trip that began at `sent` and ended at `received` by our clock, and turned at `server` by theirs. */
  add(sent: number, received: number, server: number): void {
    const trip = received - sent;
    if (!(trip >= 0) || Number.isNaN(server)) return;
    this.#samples = [...this.#samples.slice(1 - SAMPLES), trip];
    if (trip > this.#best) return;
    this.#best = trip;
    this.offsetMs = server - (sent + trip / 2);
  }

  /** Median of the last trips; null before the first. */
  get rttMs(): number | null {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }

  /** Forgets the trips of a connection that is gone; the clock is still the same. */
  reset(): void {
    this.#samples = [];
    this.#best = Number.POSITIVE_INFINITY;
  }
}
