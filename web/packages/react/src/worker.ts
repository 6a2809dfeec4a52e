/** The worker in which the core of a client runs. One client, one worker. */
import { ownEnvironment } from "./core/environment.ts";
import { host } from "./core/host.ts";
import type { ToCore } from "./core/port.ts";

/** The part of a worker's global scope that is used; the DOM's types have it only where `self` is a page. */
interface Scope {
  onmessage: ((event: MessageEvent<ToCore>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as Scope;
const take = host(ownEnvironment(), (message) => scope.postMessage(message));
scope.onmessage = ({ data }) => take(data);
