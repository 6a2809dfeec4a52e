import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decode, messageOf } from "../src/protocol/decode.ts";
import { eventText } from "./events.ts";

interface Vector {
  name: string;
  wire: string | null;
  input?: string;
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../../codec/tests/vectors/message.json", import.meta.url), "utf8"),
) as Vector[];

function decoded(frame: string): unknown[] {
  const seen: unknown[] = [];
  decode(frame, {
    event: (text, { cursor }) => seen.push([cursor, text]),
    message: (message) => seen.push(message),
    unknown: (text) => seen.push({ unknown: text }),
  });
  return seen;
}

test("the golden vectors of messages are read as the server means them", () => {
  for (const { name, wire, input } of vectors) {
    const text = input ?? wire!;
    if (text.includes('"type":"event"')) {
      expect(decoded(text), name).toHaveLength(1);
      expect(decoded(text)[0], name).toContain(text);
    } else if (wire === null) expect(messageOf(text), name).toBeNull();
    else {
      const { time: _, ...expected } = JSON.parse(wire) as Record<string, unknown>;
      expect(messageOf(text), name).toMatchObject(expected);
    }
  }
});

test("a frame is taken apart at its line feeds, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), (isEvent) => {
      const ping = (i: number) => `{"type":"ping","time":"2026-02-27T10:30:00Z","cursor":${i}}`;
      const lines = isEvent.map((is, i) => (is ? eventText(i + 1) : ping(i + 1)));
      const seen = decoded(lines.join("\n"));
      expect(seen.map((one) => (Array.isArray(one) ? one[0] : (one as { cursor: number }).cursor))).toEqual(
        isEvent.map((_, i) => i + 1),
      );
    }),
  );
});

test("what no version has said yet is passed over, and empty lines too", () => {
  expect(decoded(`\n{"type":"later"}\nnonsense\n${eventText(3)}\n`)).toEqual([
    { unknown: '{"type":"later"}' },
    { unknown: "nonsense" },
    [3, eventText(3)],
  ]);
});

test("what is said of tokens and limits is read, and what restricted readers are not told may be absent", () => {
  const read = (text: string) => messageOf(text);
  const ref = "a1";
  for (const message of [
    { type: "token_expiring", expires_in_ms: 60_000 },
    { type: "authorised", cursor: 101, expires_in_ms: 3_600_000, ref },
    { type: "authorised", cursor: 0, expires_in_ms: null },
    { type: "error", code: "rate_limited", message: "120 messages a minute", retry_after_ms: 500, ref },
    { type: "lag", state: "catching_up", lag_ms: 600 },
  ]) {
    expect(read(JSON.stringify(message))).toEqual(message);
  }
  expect(read('{"type":"token_expiring"}')).toBeNull();
  expect(read('{"type":"token_expiring","expires_in_ms":-1}')).toBeNull();
  expect(read('{"type":"authorised","expires_in_ms":5}')).toBeNull();
});

test("a member named as one of Object's own is no type", () => {
  expect(messageOf('{"type":"constructor"}')).toBeNull();
  expect(messageOf('{"type":"__proto__"}')).toBeNull();
});
