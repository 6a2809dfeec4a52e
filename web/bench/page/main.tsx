/** The page under measurement: `?impl=naive` or `?impl=timeline`, `&server=` its origin, `&from=` where to begin. */
import type { EventClient, Start } from "@todoki/react";
import "@todoki/react/styles.css";
import { createRoot } from "react-dom/client";
import "./page.css";
import { jump, type Reached, search, watchReached } from "./driven.ts";
import { type Meter, startMeter } from "./meter.ts";
import { Naive } from "./naive.tsx";
import { newestNaive, newestRow } from "./newest.ts";
import { Timeline } from "./timeline.tsx";

declare global {
  interface Window {
    /** Put here by the driver, so that it is in no URL. */
    benchToken: string;
    bench?: {
      readonly meter: Meter;
      /** The timeline's client; null for the baseline. */
      client: EventClient | null;
      readonly reached: Reached;
      isReady(): boolean;
      search(needle: string): Promise<number>;
      jump(share: number): Promise<number>;
    };
  }
}

const parameters = new URLSearchParams(location.search);
const server = parameters.get("server") ?? "";
const isNaive = parameters.get("impl") === "naive";
const from: Start = parameters.has("from") ? Number(parameters.get("from")) : "now";

const root = document.getElementById("root") as HTMLElement;
const newest = isNaive ? newestNaive : newestRow;
window.bench = {
  meter: startMeter(root, newest),
  reached: watchReached(root, newest),
  client: null,
  search(needle) {
    if (this.client === null) throw new Error("there is no client");
    return search(this.client, needle);
  },
  jump: (share) => jump(root, share),
  isReady() {
    if (isNaive) return true;
    const phase = this.client?.status.get().phase;
    return phase === "live" || phase === "lagging";
  },
};
/** Keeps the timeline's client at hand for the driver. */
function take(client: EventClient): void {
  if (window.bench) window.bench.client = client;
}

createRoot(root).render(
  isNaive ? (
    <Naive server={server} token={window.benchToken} />
  ) : (
    <Timeline server={server} token={window.benchToken} from={from} onClient={take} />
  ),
);
