/**
 * What every part of the page works with: the client of the stream, the view, and a place to say something.
 *
 * A context of values that never change while the page lives, so that reading it renders nothing again; what changes is
 * in the slices of those values.
 */
import { type Cell, type EventClient, type ListControl, type QueryProblem, useSlice } from "@todoki/react";
import { createContext, type RefObject, useContext } from "react";
import type { ViewState } from "./url-state.ts";
import type { ViewStore } from "./view-store.ts";

/** Something to tell that has no place of its own: said once, in words, to eyes and to screen readers. */
export interface Notice {
  readonly text: string;
  readonly isProblem: boolean;
}

export interface Workspace {
  readonly client: EventClient;
  readonly store: ViewStore;
  readonly notice: Cell<Notice | null>;
  /** What is wrong with the query as it is typed; the one before it stays in force. */
  readonly problem: Cell<QueryProblem | null>;
  /** The list, for what goes from row to row. */
  readonly list: RefObject<ListControl | null>;
  /** What is open over the page; `search` is the field on a phone, which is there when one searches. */
  readonly panel: Cell<"help" | "filters" | "search" | null>;
  /** The token that requests beside the client need. */
  readonly token: () => string | null;
  readonly signOut: () => void;
}

export const WorkspaceContext = createContext<Workspace | null>(null);

/** The workspace of the page that the component is on. */
export function useWorkspace(): Workspace {
  const workspace = useContext(WorkspaceContext);
  if (workspace === null) throw new Error("used outside of a workspace");
  return workspace;
}

/** The view; renders again when it changes. */
export function useView(): ViewState {
  return useSlice(useWorkspace().store.view);
}
