/** How many events come in a second, over the last second or so; falls to zero when none come. */
import type { Environment } from "./environment.ts";

const SAMPLE_MS = 250;
const WINDOW_MS = 1000;

export class Rate {
  readonly #env: Environment;
  #samples: { at: number; count: number }[] = [];
  #cancel: (() => void) | null = null;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The rate of a count that only grows. Calls `again` when it should be asked for once more though nothing has come. */
  perSecond(count: number, again: () => void): number {
    const now = this.#env.now();
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.at >= SAMPLE_MS) this.#samples.push({ at: now, count });
    while (this.#samples.length > 1 && now - this.#samples[1]!.at >= WINDOW_MS) this.#samples.shift();
    const [oldest] = this.#samples;
    const ms = Math.max(now - oldest!.at, WINDOW_MS);
    const rate = ((count - oldest!.count) / ms) * 1000;
    if (rate > 0 && this.#cancel === null) {
      this.#cancel = this.#env.after(SAMPLE_MS, () => {
        this.#cancel = null;
        again();
      });
    }
    return rate;
  }

  stop(): void {
    this.#cancel?.();
  }
}
