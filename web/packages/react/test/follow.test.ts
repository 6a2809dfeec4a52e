import { expect, it } from "vitest";
import { Follower } from "../src/timeline/follow.ts";

const AT_NOW = { isAtNow: true, canScroll: true };
const IN_PAST = { isAtNow: false, canScroll: true };

function following() {
  const asked: string[] = [];
  const follower = new Follower({ pause: () => asked.push("pause"), resume: () => asked.push("resume") });
  follower.confirm(true);
  return { follower, asked };
}

it("pauses at once when a gesture goes to the past, before the client has confirmed it", () => {
  const { follower, asked } = following();
  follower.gesture("past", AT_NOW);
  expect(asked).toEqual(["pause"]);
  follower.confirm(true);
  expect(follower.given(true)).toBe(false);
  follower.confirm(false);
  expect(follower.given(false)).toBe(false);
});

it("follows again when a gesture brings the view to its end", () => {
  const { follower, asked } = following();
  follower.gesture("past", AT_NOW);
  follower.confirm(false);
  follower.gesture("now", IN_PAST);
  expect(asked).toEqual(["pause"]);
  follower.scrolled(null, AT_NOW);
  expect(asked).toEqual(["pause", "resume"]);
});

it("does not follow because the list scrolled itself to its end", () => {
  const { follower, asked } = following();
  follower.gesture("past", AT_NOW);
  follower.confirm(false);
  follower.scrolled("now", AT_NOW);
  expect(asked).toEqual(["pause"]);
});

it("keeps a commanded pause whatever is scrolled, until a command ends it", () => {
  const { follower, asked } = following();
  follower.pause();
  follower.confirm(false);
  follower.gesture("past", IN_PAST);
  follower.gesture("now", AT_NOW);
  follower.scrolled("now", AT_NOW);
  expect(asked).toEqual(["pause"]);
  follower.resume();
  expect(asked).toEqual(["pause", "resume"]);
});

it("keeps a pause that somebody else asked the client for", () => {
  const { follower, asked } = following();
  follower.confirm(false);
  follower.gesture("now", AT_NOW);
  follower.scrolled("now", AT_NOW);
  expect(asked).toEqual([]);
});

it("makes a pause by gesture a commanded one when a command says so too", () => {
  const { follower, asked } = following();
  follower.gesture("past", AT_NOW);
  follower.confirm(false);
  follower.pause();
  follower.gesture("now", AT_NOW);
  expect(asked).toEqual(["pause"]);
});

it("pauses when the scroll bar is taken, and follows again when it is dragged to the end", () => {
  const { follower, asked } = following();
  follower.grabBar(AT_NOW);
  follower.confirm(false);
  follower.scrolled("past", IN_PAST);
  follower.scrolled("now", AT_NOW);
  expect(asked).toEqual(["pause", "resume"]);
});

it("does not pause where there is nothing to scroll", () => {
  const { follower, asked } = following();
  follower.gesture("past", { isAtNow: true, canScroll: false });
  expect(asked).toEqual([]);
});
