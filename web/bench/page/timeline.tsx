/** The timeline as a page embeds it: the whole window, the default look, nothing switched off. */
import { type EventClient, EventTimeline, type Start, useEventStream } from "@todoki/react";
import { useEffect } from "react";

interface Props {
  readonly server: string;
  readonly token: string;
  readonly from: Start;
  /** Told of the client, for what a person would do by hand. */
  readonly onClient: (client: EventClient) => void;
}

export function Timeline({ server, token, from, onClient }: Props) {
  const stream = useEventStream({ url: server, token, from });
  useEffect(() => onClient(stream.client), [stream.client, onClient]);
  return <EventTimeline stream={stream} height="100%" />;
}
