/**
 * Components that do nothing but use the hook, for its tests.
 */
import type { ReactNode } from "react";
import { type EventStream, type EventStreamOptions, useEventStream } from "../src/use-event-stream.ts";

export interface ReaderProps {
  readonly options: EventStreamOptions;
  readonly onRead: (stream: EventStream) => void;
}

/** Hands the stream of each render to its test. */
export function Reader({ options, onRead }: ReaderProps): ReactNode {
  onRead(useEventStream(options));
  return null;
}

/** Reads the status of a stream and no event. */
export function Phase(): ReactNode {
  return <output>{useEventStream().status.phase}</output>;
}
