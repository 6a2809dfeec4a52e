import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jqPath, member, pathText, plain, pretty, readJson, toValue } from "../src/timeline/json-text.ts";

/** JSON texts with spaces and spellings that `JSON.stringify` would not write. */
const anyText = fc
  .tuple(fc.json({ maxDepth: 6 }), fc.constantFrom("", " ", "\n\t", "\r\n "))
  .map(([text, space]) => space + text.replaceAll(":", `${space}:${space}`).replaceAll(",", `,${space}`) + space)
  .filter(isJson);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("the JSON reader", () => {
  it("gives the values that JSON.parse gives", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { root, brokenAt } = readJson(text);
        expect(brokenAt).toBeNull();
        expect(toValue(root!)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("calls broken exactly what JSON.parse refuses", () => {
    const mutated = fc
      .tuple(
        fc.json(),
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.constantFrom("", '"', "\\", "{", "]", ",", "0", "-", ".", "e", "\u0001", "tru"),
      )
      .map(([text, at, removed, added]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + added + text.slice(place + removed);
      });
    fc.assert(
      fc.property(mutated, (text) => {
        expect(readJson(text).brokenAt === null, text).toBe(isJson(text));
      }),
      { numRuns: 3000 },
    );
  });

  it("reads as much of a cut text as there is, and never throws", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, at) => {
        const text = JSON.stringify(value);
        const { root, brokenAt } = readJson(text.slice(0, at % text.length));
        if (root?.type !== "object") return;
        expect(brokenAt).not.toBeNull();
        const whole = Object.entries(JSON.parse(text) as object);
        root.members.slice(0, -1).forEach((each, index) => {
          expect([each.key, toValue(each.value)]).toEqual(whole[index]);
        });
      }),
    );
  });

  it("says where each value stands in the text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { root } = readJson(text);
        expect(JSON.parse(text.slice(root!.start, root!.end))).toEqual(JSON.parse(text));
        if (root?.type === "object") {
          for (const each of root.members) {
            expect(JSON.parse(text.slice(each.value.start, each.value.end))).toEqual(toValue(each.value));
          }
        }
      }),
    );
  });

  it("keeps numbers as they are spelt", () => {
    const { root } = readJson('{"id":12345678901234567890,"price":1.50,"tiny":1e-400}');
    expect(plain(member(root, "id"))).toBe("12345678901234567890");
    expect(plain(member(root, "price"))).toBe("1.50");
    expect(pretty(root!)).toBe('{\n  "id": 12345678901234567890,\n  "price": 1.50,\n  "tiny": 1e-400\n}');
  });

  it("writes lines that mean what it read", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(JSON.parse(pretty(readJson(text).root!))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("keeps both of two members of one name, and gives the last when asked", () => {
    const { root } = readJson('{"a":1,"a":2}');
    expect(root?.type === "object" && root.members).toHaveLength(2);
    expect(plain(member(root, "a"))).toBe("2");
  });

  it("shows the beginning of a string that was cut within an escape", () => {
    const { root, brokenAt } = readJson('{"log":"one\\ntwo\\u00');
    expect(plain(member(root, "log"))).toBe("one\ntwo");
    expect(brokenAt).toBe(16);
  });

  it("does not follow nesting without an end", () => {
    const { root, brokenAt } = readJson("[".repeat(100_000));
    expect(root?.type).toBe("array");
    expect(brokenAt).toBe(257);
  });
});

describe("a path", () => {
  it("is written as in a program, and as a filter of jq", () => {
    const path = ["data", "items", 0, "a b", 'say "hi"', "ok"];
    expect(pathText(path)).toBe('data.items[0]["a b"]["say \\"hi\\""].ok');
    expect(jqPath(path)).toBe('.data.items[0]["a b"]["say \\"hi\\""].ok');
    expect(jqPath(["a-b"])).toBe('.["a-b"]');
  });
});
