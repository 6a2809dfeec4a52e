import fc from "fast-check";
import { expect, test } from "vitest";
import { EventLog, isFailureKind } from "../src/core/event-log.ts";
import { insert, shift } from "../src/core/gaps.ts";
import { prepend } from "../src/core/pages.ts";
import { AllLines, type PlaceIndex } from "../src/core/place-index.ts";
import { ShownLines } from "../src/core/shown-lines.ts";
import { envelope, readEvent } from "../src/protocol/scan.ts";
import { eventText } from "./events.ts";

const CAPACITY = 8;
const KINDS = ["task.created", "task.failed", "agent.output"];

/** The naive twin: an array of lines, and the place of the first. */
interface Model {
  first: number;
  lines: { cursor: number; isHit: boolean; isMarker: boolean; raw: string }[];
}

type Step =
  | { readonly do: "append" | "prepend"; readonly isHit: boolean; readonly kind: number }
  | { readonly do: "mark" }
  | { readonly do: "insert"; readonly at: number; readonly count: number }
  | { readonly do: "unmark"; readonly at: number }
  | { readonly do: "clear" };

const kind = fc.nat(KINDS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("append", "prepend"), isHit: fc.boolean(), kind }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("mark") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("insert"), at: fc.nat(20), count: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("unmark"), at: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear") }) },
) as fc.Arbitrary<Step>;

/** Runs a step against log, index and model at once. Cursors leave room between, so that some can be inserted. */
function run(log: EventLog, index: PlaceIndex, model: Model, isFiltered: boolean, steps: readonly Step[]): void {
  const at = envelope();
  const read = (raw: string) => {
    readEvent(raw, at);
    return at;
  };
  let low = 1_000_000;
  let high = 1_000_000;
  const text = (cursor: number, of: { kind: number }) =>
    eventText(cursor, { kind: KINDS[of.kind]!, agent: cursor % 97, task: cursor % 89 });
  for (const one of steps) {
    const { lines } = model;
    switch (one.do) {
      case "append": {
        high += 100;
        const raw = text(high, one);
        log.append(raw, read(raw), one.isHit);
        index.appended(log.next - 1);
        lines.push({ cursor: high, isHit: one.isHit, isMarker: false, raw });
        if (lines.length > CAPACITY) drop(model);
        break;
      }
      case "prepend": {
        low -= 100;
        const raw = text(low, one);
        if (lines.length === CAPACITY) {
          lines.pop();
          high = lines.at(-1)!.cursor;
        }
        prepend(log, raw, read(raw), one.isHit);
        index.prepended(log.first);
        lines.unshift({ cursor: low, isHit: one.isHit, isMarker: false, raw });
        model.first--;
        break;
      }
      case "mark":
        high += 10;
        log.mark({ type: "epoch" }, high, 0);
        index.appended(log.next - 1);
        lines.push({ cursor: high, isHit: false, isMarker: true, raw: "" });
        if (lines.length > CAPACITY) drop(model);
        break;
      case "insert": {
        if (lines.length === 0) break;
        const place = one.at % lines.length;
        const end = lines[place]!.cursor;
        // There must be room between the cursors, as there is in a gap.
        if (end - (lines[place - 1]?.cursor ?? 0) <= one.count) break;
        const raws = Array.from({ length: one.count }, (_, i) => text(end - one.count + i, { kind: 0 }));
        insert(log, model.first + place, raws, () => true);
        const fit = raws.slice(Math.max(0, raws.length - (CAPACITY - (lines.length - place))));
        const added = fit.map((raw, i) => ({ cursor: end - fit.length + i, isHit: true, isMarker: false, raw }));
        const older = lines.slice(0, place);
        model.lines = [...older, ...added, ...lines.slice(place)];
        model.first -= fit.length;
        while (model.lines.length > CAPACITY) drop(model);
        index.rebuild();
        break;
      }
      case "unmark": {
        const place = lines.findIndex(({ isMarker }, i) => isMarker && i >= one.at % CAPACITY);
        if (place < 0) break;
        shift(log, model.first + place, -1);
        lines.splice(place, 1);
        model.first++;
        index.rebuild();
        break;
      }
      case "clear":
        log.clear();
        index.rebuild();
        model.first += lines.length;
        model.lines = [];
    }
    check(log, index, model, isFiltered);
  }
}

function drop(model: Model): void {
  model.lines.shift();
  model.first++;
}

function check(log: EventLog, index: PlaceIndex, model: Model, isFiltered: boolean): void {
  const { first, lines } = model;
  expect([log.first, log.next]).toEqual([first, first + lines.length]);
  expect(log.events).toBe(lines.filter(({ isMarker }) => !isMarker).length);
  expect(log.hits).toBe(lines.filter(({ isHit }) => isHit).length);
  lines.forEach(({ cursor, isHit, isMarker, raw }, i) => {
    const seq = first + i;
    expect([log.cursor(seq), log.isHit(seq), log.isMarker(seq), log.raw(seq)]).toEqual([cursor, isHit, isMarker, raw]);
    expect(log.marker(seq) !== undefined).toBe(isMarker);
    if (isMarker) return;
    const event = JSON.parse(raw) as { kind: string; agent_id: string; task_id: string };
    expect([log.text("kind", seq), log.text("agent", seq), log.text("task", seq)]).toEqual([
      event.kind,
      event.agent_id,
      event.task_id,
    ]);
    expect(log.isFailure(seq)).toBe(isFailureKind(event.kind));
    expect(log.find(cursor)).toBe(seq);
  });
  const shown = lines.flatMap(({ isHit, isMarker }, i) => (!isFiltered || isHit || isMarker ? [first + i] : []));
  expect(index.next - index.first).toBe(shown.length);
  shown.forEach((seq, i) => {
    expect(index.seq(index.first + i)).toBe(seq);
    expect(index.place(seq)).toBe(index.first + i);
  });
}

test("log and index are what an array of lines would be, whatever is added, dropped, inserted and taken out", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, isFiltered) => {
      const log = new EventLog(CAPACITY);
      const index = isFiltered ? new ShownLines(log) : new AllLines(log);
      run(log, index, { first: 0, lines: [] }, isFiltered, steps);
    }),
    { numRuns: 500 },
  );
});

test("places of a filter stay while lines come and go at the ends", () => {
  const log = new EventLog(CAPACITY);
  const index = new ShownLines(log);
  const at = envelope();
  const add = (cursor: number, isHit: boolean) => {
    const raw = eventText(cursor);
    readEvent(raw, at);
    log.append(raw, at, isHit);
    index.appended(log.next - 1);
  };
  for (let cursor = 1; cursor <= 6; cursor++) add(cursor, cursor % 2 === 0);
  const place = index.place(log.find(6)!);
  expect(place).toBe(2);
  for (let cursor = 7; cursor <= 12; cursor++) add(cursor, false);
  expect(index.place(log.find(6)!)).toBe(place);
  expect(index.first).toBe(place);
});

test("texts of ids are bounded by the lines, not by the events that ever were", () => {
  const log = new EventLog(CAPACITY);
  const at = envelope();
  for (let cursor = 1; cursor <= 1000; cursor++) {
    const raw = eventText(cursor, { agent: cursor, task: cursor, session: cursor });
    readEvent(raw, at);
    log.append(raw, at, true);
    expect(log.texts.length).toBeLessThanOrEqual(10 * CAPACITY + 5);
  }
  expect(log.text("agent", log.next - 1)).toContain((1000).toString(16));
});

test("a failure is told by the end of a kind", () => {
  for (const kind of [
    "task.failed",
    "agent.error",
    "permission.denied",
    "permission.expired",
    "agent.qa_test_failed",
  ]) {
    expect(isFailureKind(kind), kind).toBe(true);
  }
  for (const kind of ["task.created", "error.fixed", "agent.qa_test_passed"])
    expect(isFailureKind(kind), kind).toBe(false);
});
