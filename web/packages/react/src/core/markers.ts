/** The lines that say what happened to the stream at their place. */
import type { Cursor, Marker } from "../event-client.ts";
import type { ListView } from "./list-view.ts";
import type { Window } from "./window.ts";

export class Markers {
  readonly #window: Window;
  readonly #view: ListView;
  readonly #now: () => number;
  /** The line that tells of the last loss, until all that was missed has come. */
  #reconnectLine: number | null = null;

  /** `now` is the server's time. */
  constructor(window: Window, view: ListView, now: () => number) {
    this.#window = window;
    this.#view = view;
    this.#now = now;
  }

  /** Adds one behind the newest line. */
  add(marker: Marker, cursor: Cursor): number {
    const line = this.#window.mark(marker, cursor, this.#now());
    this.#view.changed();
    return line;
  }

  /** Changes what the one at a line says. */
  set(line: number, marker: Marker): void {
    this.#window.log.setMarker(line, marker);
    this.#view.outdate();
  }

  /** The connection is back. */
  resumed(downMs: number, cursor: Cursor): void {
    const { log } = this.#window;
    const last = log.next - 1;
    const marker = log.marker(last);
    if (marker?.type === "reconnect") {
      // Nothing came between two losses: they are one.
      this.#reconnectLine = last;
      this.set(last, { ...marker, downMs: marker.downMs + downMs });
    } else this.#reconnectLine = this.add({ type: "reconnect", downMs, missed: 0 }, cursor);
  }

  /** All that was missed has come. */
  replayed(missed: number): void {
    const line = this.#reconnectLine;
    const marker = line === null ? undefined : this.#window.log.marker(line);
    if (line !== null && marker?.type === "reconnect") this.set(line, { ...marker, missed: marker.missed + missed });
    this.forget();
  }

  /** The list is another one. */
  forget(): void {
    this.#reconnectLine = null;
  }
}
