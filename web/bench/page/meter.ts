/**
 * What is measured inside the page, the same way for every implementation.
 *
 * An event counts as painted at the end of the main thread's frame after the DOM shows it or a newer one. So it is the DOM
 * that is asked what is shown, not the implementation. Frames are the times between animation frames; a dropped one took
 * more than one and a half of 60 per second.
 */
import { dueAt, type Schedule } from "../schedule.ts";

/** An interval over this many milliseconds is a dropped frame. */
const DROPPED_MS = 25;

/** Latencies are counted by whole milliseconds up to this one. */
const MOST_MS = 10_000;

export interface Measured {
  readonly seconds: number;
  readonly frames: number;
  readonly dropped: number;
  readonly longestFrameMs: number;
  readonly longTasks: number;
  readonly longTaskMs: number;
  /** Events that were painted, by cursor, and how long after they were due. */
  readonly painted: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** Frames in which the middle of the list showed no row. */
  readonly blank: number;
}

export interface Meter {
  begin(schedule: Schedule | null): void;
  end(): Measured;
}

/** Starts to watch the list under `root`; `newest` reads the newest cursor that it shows. */
export function startMeter(root: HTMLElement, newest: (root: HTMLElement) => number): Meter {
  let isOn = false;
  let schedule: Schedule | null = null;
  let painted = 0;
  let began = 0;
  let lastFrame = 0;
  let seen = { frames: 0, dropped: 0, longestFrameMs: 0, longTasks: 0, longTaskMs: 0, blank: 0 };
  let latencies = new Uint32Array(MOST_MS + 1);

  const ends = frameEnds();
  const afterPaint = ends.after(() => {
    if (!isOn || schedule === null) return;
    const now = Date.now();
    const shown = newest(root);
    for (let cursor = painted + 1; cursor <= shown; cursor += 1) {
      const ms = Math.min(MOST_MS, Math.max(0, Math.round(now - dueAt(schedule, cursor))));
      latencies[ms] = (latencies[ms] ?? 0) + 1;
    }
    painted = Math.max(painted, shown);
  });
  new MutationObserver(afterPaint).observe(root, {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
  });
  new PerformanceObserver((list) => {
    if (!isOn) return;
    for (const { duration } of list.getEntries()) {
      seen.longTasks += 1;
      seen.longTaskMs += duration;
    }
  }).observe({ type: "longtask" });

  const lookAfterPaint = ends.after(() => {
    if (isOn && isBlank(root)) seen.blank += 1;
  });

  const frame = (time: number) => {
    ends.begins();
    if (isOn && lastFrame > 0) {
      const interval = time - lastFrame;
      seen.frames += 1;
      if (interval > DROPPED_MS) seen.dropped += 1;
      seen.longestFrameMs = Math.max(seen.longestFrameMs, interval);
      // Asking what is where costs a layout, so it is asked only where nothing else is measured.
      if (schedule === null) lookAfterPaint();
    }
    lastFrame = time;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);

  return {
    begin(next) {
      schedule = next;
      // What was shown before is not measured.
      painted = newest(root);
      seen = { frames: 0, dropped: 0, longestFrameMs: 0, longTasks: 0, longTaskMs: 0, blank: 0 };
      latencies = new Uint32Array(MOST_MS + 1);
      began = performance.now();
      isOn = true;
    },
    end() {
      isOn = false;
      const quantile = quantiles(latencies);
      return {
        seconds: (performance.now() - began) / 1000,
        ...seen,
        painted: latencies.reduce((sum, count) => sum + count, 0),
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max: quantile(1),
      };
    },
  };
}

/** When frames end: as far as the main thread is concerned, with the first message after the callbacks of a frame. */
interface FrameEnds {
  /** To be called in each frame, as early as can be. */
  begins(): void;
  /**
   * What calls back at the end of the frame that is being made, or else of the next one: whatever changes the page in a
   * frame is painted with it. Once however often it is asked before.
   */
  after(ended: () => void): () => void;
}

function frameEnds(): FrameEnds {
  const channel = new MessageChannel();
  const waiting = new Set<() => void>();
  let isInFrame = false;
  channel.port1.onmessage = () => {
    isInFrame = false;
    const due = [...waiting];
    waiting.clear();
    for (const ended of due) ended();
  };
  return {
    begins() {
      isInFrame = true;
      channel.port2.postMessage(null);
    },
    after: (ended) => () => {
      if (isInFrame) waiting.add(ended);
      else requestAnimationFrame(() => waiting.add(ended));
    },
  };
}

function quantiles(counts: Uint32Array): (share: number) => number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return (share) => {
    if (total === 0) return null;
    let below = 0;
    for (let ms = 0; ms < counts.length; ms += 1) {
      below += counts[ms] ?? 0;
      if (below >= share * total) return ms;
    }
    return counts.length - 1;
  };
}

/** Whether no row is in the middle of the list, nor a quarter above or below. */
function isBlank(root: HTMLElement): boolean {
  const { left, top, width, height } = root.getBoundingClientRect();
  return [0.25, 0.5, 0.75].some((share) => {
    const hit = document.elementFromPoint(left + width / 3, top + height * share);
    return !hit?.closest("[role=row]");
  });
}
