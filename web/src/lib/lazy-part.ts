/**
 * Parts of the page that are loaded when they are first needed.
 *
 * A server that is away at that moment is asked again, since a part that could not be loaded would take the whole page
 * with it; until it comes its place is held as while it is loaded.
 */
import { type ComponentType, type LazyExoticComponent, lazy } from "react";

/** The first wait before it is tried again, and the longest: as for the stream itself. */
const BASE_MS = 1_000;
const CAP_MS = 30_000;

// biome-ignore lint/suspicious/noExplicitAny: what React's own `lazy` asks for, so that the properties are inferred.
export function lazyPart<T extends ComponentType<any>>(load: () => Promise<{ default: T }>): LazyExoticComponent<T> {
  return lazy(() => loaded(load));
}

export async function loaded<T>(
  load: () => Promise<T>,
  wait: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<T> {
  for (let ms = BASE_MS; ; ms = Math.min(2 * ms, CAP_MS)) {
    try {
      return await load();
    } catch {
      await wait(ms);
    }
  }
}
