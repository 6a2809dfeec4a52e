/**
 * What happened to the stream, said in the list where it happened: lag, gaps, reconnections and another history.
 */
import { type ReactNode, useCallback } from "react";
import type { Marker, MarkerRow } from "../event-client.ts";
import { markerSentence } from "./messages.ts";

const SIGNS: Readonly<Record<Marker["type"], string>> = { lag: "▲", gap: "⚠", reconnect: "⟲", epoch: "◆" };

/** The sign, the sentence and, for a gap that can be filled, the button. */
export function MarkerText({
  row,
  fill,
}: {
  readonly row: MarkerRow;
  readonly fill: (place: number) => void;
}): ReactNode {
  const { marker, place } = row;
  const isLoading = marker.type === "gap" && marker.isLoading;
  const load = useCallback(() => {
    if (!isLoading) fill(place);
  }, [isLoading, fill, place]);
  return (
    <span className="todoki-marker">
      <span aria-hidden="true">{SIGNS[marker.type]}</span>
      <span className="todoki-marker-text">{markerSentence(marker)}</span>
      {marker.type === "gap" && marker.isLoadable ? (
        <button type="button" className="todoki-button" aria-disabled={isLoading} onClick={load}>
          {isLoading ? "Loading…" : "Load them"}
        </button>
      ) : null}
    </span>
  );
}
