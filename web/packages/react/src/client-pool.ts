/**
 * Clients between two owners.
 *
 * React mounts a component twice in development, and a moved one is unmounted here and mounted there a moment later. A
 * client that its owner gives back is therefore kept for a moment, for whoever asks for just such a one; only then it is
 * closed. A client has one owner at a time: its pause, its query and its place in the log are somebody's view. Those who
 * want to look at the same view pass the stream on.
 */
import type { EventClient } from "./event-client.ts";

/** How long a client waits for its next owner: longer than an effect is away in a double mount, too short to notice. */
const GRACE_MS = 100;

interface Waiting {
  readonly client: EventClient;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Keeps what is given back, by the key that says what it was opened for and what it shows. */
export class ClientPool {
  readonly #waiting = new Map<string, Waiting>();

  /** The client that waits under this key, else a new one. */
  take(key: string, open: () => EventClient): EventClient {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return open();
    clearTimeout(waiting.timer);
    this.#waiting.delete(key);
    return waiting.client;
  }

  /** Takes a client back; closes it unless somebody takes it soon. */
  give(key: string, client: EventClient): void {
    const other = this.#waiting.get(key);
    if (other !== undefined) {
      clearTimeout(other.timer);
      other.client.close();
    }
    const timer = setTimeout(() => {
      this.#waiting.delete(key);
      client.close();
    }, GRACE_MS);
    this.#waiting.set(key, { client, timer });
  }
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/** A name for an object or a function, the same for as long as it lives. */
export function identityOf(thing: object): string {
  let number = numbers.get(thing);
  if (number === undefined) {
    lastNumber += 1;
    number = lastNumber;
    numbers.set(thing, number);
  }
  return `#${number}`;
}
