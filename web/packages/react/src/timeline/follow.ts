/**
 * Whether the view follows what is new: decided by what a person does, never by where the view happens to be.
 *
 * The list moves its own scroller all the time, so a scroll event says nothing about anybody's will. What counts is the
 * gesture before it: a wheel, a finger, a key, a hand on the scroll bar. A pause that a gesture made ends when a gesture
 * reaches the end; a pause that was commanded (a button, Space, a click on an event) ends by command alone.
 */

/** Towards what is new, or away from it. */
export type Heading = "now" | "past";

/** What the decision needs to know of the view. */
export interface Standing {
  /** Whether the newest line shows, and nothing newer is left to load. */
  readonly isAtNow: boolean;
  /** Whether there is anything to scroll. */
  readonly canScroll: boolean;
}

/** Decides, and tells the client. */
export class Follower {
  readonly #client: { pause(): void; resume(): void };
  /** What was decided here and the client has not confirmed yet: its answer takes a frame, and a wheel does not wait. */
  #decided: boolean | null = null;
  #confirmed = true;
  #isByGesture = false;
  #heading: Heading | null = null;
  #isHoldingBar = false;

  constructor(client: { pause(): void; resume(): void }) {
    this.#client = client;
  }

  /** Whether the view should show what is newest. */
  get isFollowing(): boolean {
    return this.#decided ?? this.#confirmed;
  }

  /** Whether the view should show what is newest, when the client says this. */
  given(isFollowing: boolean): boolean {
    return this.#decided ?? isFollowing;
  }

  /** Takes notice of what the client says; it may have been told by somebody else. */
  confirm(isFollowing: boolean): void {
    if (this.#decided === isFollowing) this.#decided = null;
    this.#confirmed = isFollowing;
    if (isFollowing && this.#decided === null) this.#forget();
  }

  /** A wheel, a finger or a key moves the view. */
  gesture(heading: Heading, standing: Standing): void {
    this.#heading = heading;
    if (heading === "past") {
      if (this.isFollowing && standing.canScroll) this.#pause(true);
      return;
    }
    this.#resumeAtNow(standing);
  }

  /** A hand takes the scroll bar. */
  grabBar(standing: Standing): void {
    this.#isHoldingBar = true;
    this.#heading = null;
    if (this.isFollowing && standing.canScroll) this.#pause(true);
  }

  releaseBar(): void {
    this.#isHoldingBar = false;
  }

  /** The view has moved, for whatever reason. `heading` is where to. */
  scrolled(heading: Heading | null, standing: Standing): void {
    if (this.#isHoldingBar && heading !== null) this.#heading = heading;
    if (this.#heading === "now") this.#resumeAtNow(standing);
  }

  /** A command pauses: nothing but a command resumes. */
  pause(): void {
    this.#pause(false);
  }

  /** A command resumes. */
  resume(): void {
    this.#forget();
    this.#decided = true;
    this.#client.resume();
  }

  #pause(isByGesture: boolean): void {
    this.#isByGesture = isByGesture && (this.isFollowing || this.#isByGesture);
    if (!this.isFollowing) return;
    this.#decided = false;
    this.#client.pause();
  }

  #resumeAtNow({ isAtNow }: Standing): void {
    if (isAtNow && this.#isByGesture && !this.isFollowing) this.resume();
  }

  #forget(): void {
    this.#isByGesture = false;
    this.#heading = null;
  }
}
