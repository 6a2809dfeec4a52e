/** When each event was due: what the publisher promises, and what the page reckons with. */
export interface Schedule {
  readonly firstCursor: number;
  /** Milliseconds since 1970 at which the first event was due. */
  readonly startedAt: number;
  readonly perSecond: number;
}

/** What the publisher did in the end. */
export interface Ended {
  readonly sent: number;
  /** The most that a batch was behind its first event's due time when it was posted. */
  readonly lateMs: number;
  readonly tookMs: number;
}

/** When an event was due, in milliseconds since 1970. */
export function dueAt({ firstCursor, startedAt, perSecond }: Schedule, cursor: number): number {
  return startedAt + ((cursor - firstCursor) * 1000) / perSecond;
}
