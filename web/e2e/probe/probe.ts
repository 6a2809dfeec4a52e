/**
 * A page with nothing but the client in it, for tests that must see every event and not what a list shows of them.
 *
 * It is of another origin than the server, as a page that embeds the timeline is, so it also shows that such pages work.
 */
import type { EventClient, EventClientOptions, StreamEvent } from "@todoki/react";
import { openEventClient } from "@todoki/react/client";

export interface Probe {
  client: EventClient;
  /** Every event, in the order in which it was given. */
  readonly events: StreamEvent[];
  /** Every phase that the connection went through. */
  readonly phases: string[];
  /** Closes the client, and opens one with other options and no memory of what came before. */
  open(options: EventClientOptions): void;
  /** Resolves once a condition of what is known holds. */
  until(condition: () => boolean): Promise<void>;
}

declare global {
  interface Window {
    probe: Probe;
  }
}

const waiting = new Set<() => void>();

function look(): void {
  for (const check of [...waiting]) check();
}

window.probe = {
  client: undefined as unknown as EventClient,
  events: [],
  phases: [],
  open(options) {
    this.client?.close();
    this.events.length = 0;
    this.phases.length = 0;
    const client = openEventClient(options);
    this.client = client;
    client.on("event", (event) => {
      this.events.push(event);
      look();
    });
    client.status.subscribe(() => {
      const { phase } = client.status.get();
      if (this.phases.at(-1) !== phase) this.phases.push(phase);
      look();
    });
    client.rows.subscribe(look);
    client.counts.subscribe(look);
  },
  until(condition) {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  },
};
