/**
 * What is said aloud: changes of the connection, and now and then how much has come.
 *
 * The list is no live region, since twenty thousand events a second cannot be read out. Here one sentence replaces the
 * other: a connection is announced when its state changes, not at each second of a countdown, and new events are summed
 * up at most once in ten seconds. The panel of a stream that needs a sign-in is the only alert.
 */
import { type ReactNode, useEffect, useState } from "react";
import type { EventClient } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { expirySentence, phaseText, summaryText } from "./messages.ts";

/** The shortest time between two summaries. */
const SUMMARY_MS = 10_000;

export interface LiveRegionProps {
  readonly client: EventClient;
  /** Whether new events are summed up. Changes of the connection are always said. Default true. */
  readonly announcesEvents?: boolean | undefined;
  /** Something else to say once, such as `Copied`. */
  readonly notice?: string | undefined;
}

/** Says to a screen reader what the pill and the list show. */
export function LiveRegion({ client, announcesEvents = true, notice = "" }: LiveRegionProps): ReactNode {
  const phase = useSlice(client.status, phaseText);
  const expiry = useSlice(client.status, expirySentence);
  const summary = useSummary(client, announcesEvents);
  const said = useLatest(phase, expiry, summary, notice);
  return (
    <div role="status" aria-atomic="true" className="todoki-hidden">
      {said}
    </div>
  );
}

/** The one of these texts that changed last. */
function useLatest(...texts: readonly string[]): string {
  const [state, setState] = useState({ texts, said: texts[0] ?? "" });
  const changed = texts.findIndex((text, i) => text !== state.texts[i]);
  if (changed < 0) return state.said;
  const said = texts[changed] || state.said;
  setState({ texts, said });
  return said;
}

/** How many events came since the last summary, at most once in `SUMMARY_MS`, and nothing while none come. */
function useSummary(client: EventClient, isOn: boolean): string {
  const [summary, setSummary] = useState("");
  useEffect(() => {
    if (!isOn) return;
    let told = client.counts.get();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let since = performance.now();
    const tell = () => {
      timer = undefined;
      since = performance.now();
      const counts = client.counts.get();
      setSummary(summaryText(told, counts));
      told = counts;
    };
    const stop = client.counts.subscribe(() => {
      if (timer !== undefined || client.counts.get().received === told.received) return;
      timer = setTimeout(tell, Math.max(0, since + SUMMARY_MS - performance.now()));
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [client, isOn]);
  return summary;
}
