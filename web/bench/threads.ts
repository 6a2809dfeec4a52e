/** Time on a processor of a process's threads, as the kernel counts it, in nanoseconds. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Milliseconds on a processor so far, by what the thread is called; threads of one name are added. */
export type ThreadTimes = ReadonlyMap<string, number>;

/** The first thread of a process, which in a renderer runs the page. */
export const MAIN = "main";

/** What Chromium calls the threads that dedicated workers run on, cut to what the kernel keeps of a name. */
export const WORKER = "DedicatedWorker";

/** None for a process that has ended. */
export function threadTimes(pid: number): ThreadTimes {
  const times = new Map<string, number>();
  for (const id of threadIds(pid)) {
    const task = `/proc/${pid}/task/${id}`;
    try {
      const name = id === String(pid) ? MAIN : readFileSync(`${task}/comm`, "utf8").trim();
      const [onCpu = "0"] = readFileSync(`${task}/schedstat`, "utf8").split(" ");
      times.set(name, (times.get(name) ?? 0) + Number(onCpu) / 1e6);
    } catch {
      // The thread ended between the listing and the look.
    }
  }
  return times;
}

function threadIds(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** What was spent since. Threads that have ended since are left out. */
export function spent(before: ThreadTimes, after: ThreadTimes): ThreadTimes {
  return new Map([...after].map(([name, ms]) => [name, Math.max(0, ms - (before.get(name) ?? 0))]));
}

export function sum(times: ThreadTimes): number {
  return [...times.values()].reduce((total, ms) => total + ms, 0);
}

/** Milliseconds that all processors together have worked since the machine started, whoever for. */
export function machineTime(): number {
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = first.split(/\s+/).slice(1).map(Number);
  // The kernel counts these in hundredths of a second.
  return (user + nice + system + irq + softirq + steal) * 10;
}

/**
 * Lets the kernel prefer a process, and all that it starts, over what else the machine does: for a machine that is shared
 * with other work. Only root may.
 */
export function prefer(pid: number): void {
  writeFileSync(`/proc/${pid}/autogroup`, "-10");
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
