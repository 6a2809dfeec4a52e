/** The worker in which the core of a client runs. One client, one worker. */
import { host, ownEnvironment } from "./core/host.ts";
import type { ToCore } from "./core/port.ts";

/** The part of a worker's global scope that is used; the DOM's types have it only where `self` is a page. */
interface Scope {
  onmessage: ((event: MessageEvent<ToCore>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as Scope;
// A bundler may leave what the extras share with this file in this file's chunk. WebKit then runs it once more when the
// extras import it, and a second core would take the place of the one that is at work.
if (scope.onmessage === null) {
  const take = host(ownEnvironment(), (message) => scope.postMessage(message));
  scope.onmessage = ({ data }) => take(data);
}
