/**
 * Where the server is and who asks, once for everything below.
 */
import { type ReactNode, useMemo } from "react";
import { Settings, type TodokiSettings } from "./settings.ts";

export interface TodokiProviderProps extends TodokiSettings {
  readonly children?: ReactNode;
}

/** Gives `url` and `token` to every `useEventStream` and `EventTimeline` below that has none of its own. */
export function TodokiProvider({ url, token, open, children }: TodokiProviderProps): ReactNode {
  const settings = useMemo(() => ({ url, token, open }), [url, token, open]);
  return <Settings.Provider value={settings}>{children}</Settings.Provider>;
}
