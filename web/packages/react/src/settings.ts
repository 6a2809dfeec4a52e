/**
 * What is the same for all streams of a page, handed down to them.
 */
import { createContext, useContext } from "react";
import { openEventClient } from "./client.ts";
import type { EventClient, EventClientOptions } from "./event-client.ts";

/** What is the same for all streams of a page. */
export interface TodokiSettings {
  /** Origin and path prefix of the server; the page's own when absent. */
  readonly url?: string | undefined;
  /** The token, or a function that fetches a fresh one. */
  readonly token?: EventClientOptions["token"] | undefined;
  /** Makes the clients. For tests, and for those who wrap them; `openEventClient` when absent. */
  readonly open?: ((options: EventClientOptions) => EventClient) | undefined;
}

/** Filled by `TodokiProvider`. */
export const Settings = createContext<TodokiSettings>({});

/** What the nearest provider says. */
export function useTodokiSettings(): TodokiSettings & { readonly open: (options: EventClientOptions) => EventClient } {
  const settings = useContext(Settings);
  return { ...settings, open: settings.open ?? openEventClient };
}
