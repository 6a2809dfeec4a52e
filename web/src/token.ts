/**
 * The token that this browser was given: for as long as the tab lives, or on this device when one asks for that.
 *
 * It goes to the client alone, which sends it as a header and as a subprotocol; never in an address, never in a log.
 */
import type { Phase } from "@todoki/react";
import { keep, kept } from "./storage.ts";

const key = "todoki-token";

/** The token at hand; null before anybody signed in. The tab's own comes first. */
export function keptToken(): string | null {
  return kept("session", key) ?? kept("local", key);
}

/** Whether the token outlives the tab. */
export function isKeptOnDevice(): boolean {
  return kept("local", key) !== null;
}

/** Keeps a token for the tab or on the device, and nowhere else; null signs out. */
export function keepToken(token: string | null, where: "tab" | "device"): void {
  keep("session", key, where === "tab" ? token : null);
  keep("local", key, where === "device" ? token : null);
}

/** What is wrong with a token that was typed or pasted; null when it can be sent. */
export function tokenProblem(token: string): string | null {
  if (token === "") return "Paste the token first";
  return /^[\x21-\x7e]+$/.test(token) ? null : "A token has no spaces and no letters beyond ASCII";
}

/** Whether the server waits for another token, and nothing can be asked of it before. */
export function needsToken(phase: Phase): boolean {
  return phase === "unauthorized" || phase === "expired";
}

/** What is said of a token that the server has turned away. */
export function refusalOf(phase: Phase): string {
  return phase === "expired" ? "Your token has expired." : "The server does not take this token.";
}
