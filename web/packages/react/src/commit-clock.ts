/**
 * When the page shows what is new: at most once a frame, and no more often than it can afford.
 *
 * A commit costs what it takes until the frame is painted. Commits are four times that apart, so they take a fifth of the
 * thread at most; on a fast machine that is every frame, on a slow one every 50 ms, which still looks live.
 */

const MAX_CADENCE_MS = 50;
const COST_SHARE = 4;
/** Below this a cadence is every frame: no screen is so fast that it matters. */
const FRAME_MS = 17;
/** What one measurement weighs in the average, and the most that it may be: a page that was stopped says nothing. */
const WEIGHT = 0.1;
const MAX_COST_MS = 60;
/** A frame may come a little early and is still the one that was meant. */
const SLACK_MS = 4;

export interface FrameSource {
  now(): number;
  /** Runs something before the next frame is painted. */
  frame(run: () => void): void;
  /** Runs something after this frame was painted. */
  painted(run: () => void): void;
}

export interface CommitClock {
  /** Something is new: commit when it is time; `isUrgent` on the next frame. */
  request(isUrgent: boolean): void;
  /** Milliseconds between commits at present; 0 is every frame. */
  cadenceMs(): number;
  stop(): void;
}

/** A clock that calls `commit` in a frame. */
export function commitClock(source: FrameSource, commit: () => void): CommitClock {
  let isWaiting = false;
  let isUrgent = false;
  let isStopped = false;
  let lastAt = Number.NEGATIVE_INFINITY;
  let costMs = 4;

  const cadenceMs = () => {
    const wanted = Math.min(MAX_CADENCE_MS, COST_SHARE * costMs);
    return wanted < FRAME_MS ? 0 : wanted;
  };

  const tick = () => {
    isWaiting = false;
    if (isStopped) return;
    const now = source.now();
    if (!isUrgent && now - lastAt < cadenceMs() - SLACK_MS) return wait();
    isUrgent = false;
    lastAt = now;
    commit();
    source.painted(() => {
      costMs += (Math.min(source.now() - now, MAX_COST_MS) - costMs) * WEIGHT;
    });
  };

  const wait = () => {
    if (isWaiting) return;
    isWaiting = true;
    source.frame(tick);
  };

  return {
    request(urgent) {
      isUrgent ||= urgent;
      wait();
    },
    cadenceMs,
    stop() {
      isStopped = true;
    },
  };
}

/** The page's frames; where there are none, as on a server, a moment later. */
export function pageFrames(): FrameSource {
  const hasFrames = typeof requestAnimationFrame === "function";
  return {
    now: () => performance.now(),
    frame(run) {
      if (hasFrames) requestAnimationFrame(run);
      else setTimeout(run, FRAME_MS);
    },
    painted(run) {
      // A message that is sent in a frame is delivered after it was painted.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        run();
      };
      port2.postMessage(null);
    },
  };
}
