/**
 * A subscription as the wire has it: parameters of a query string, and members of the `subscribe` command.
 */
import type { Cursor, Start, Subscription } from "../event-client.ts";
import type { Command } from "./types.ts";

/** The parameters of a filter, by their names on the wire; those that restrict nothing are absent. */
function members(subscription: Subscription): Record<string, string> {
  const { kinds, agentId, sessionId, taskId, projectId } = subscription;
  const all = {
    kinds: kinds?.join(","),
    agent_id: agentId,
    session_id: sessionId,
    task_id: taskId,
    project_id: projectId,
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => !!entry[1]));
}

/** The query string, `?` included, of a filter and of other parameters. */
export function queryOf(subscription: Subscription, others: Record<string, string | number> = {}): string {
  const query = new URLSearchParams(members(subscription));
  for (const [name, value] of Object.entries(others)) query.set(name, String(value));
  // A space is written `+` by forms; to the server that is a plus.
  const text = query.toString().replaceAll("+", "%20");
  return text === "" ? "" : `?${text}`;
}

/** The command that replaces filter and position. */
export function subscribeCommand(subscription: Subscription, cursor: Cursor | string, ref: string): Command {
  return { type: "subscribe", ref, ...members(subscription), cursor, encoding: "lines" };
}

/** A start position as the wire has it. The newest of `{ last }` are read as a page; the stream itself begins at the head. */
export function cursorOf(start: Start): Cursor | string {
  if (typeof start === "number") return start;
  return start instanceof Date ? start.toISOString() : "head";
}

/** Subprotocol that carries a token, since a browser sends no header and a URL is written into logs. */
const TOKEN_PROTOCOL = "base64url.bearer.authorization.todoki.";

/** What a socket offers: our version, and the token beside it. */
export function subprotocols(token: string | undefined): string[] {
  return token === undefined ? ["todoki.v1"] : ["todoki.v1", TOKEN_PROTOCOL + base64url(token)];
}

function base64url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
