import { describe, expect, test } from "vitest";

interface Item {
  readonly name: string;
  readonly dependencies: readonly string[];
  readonly files: readonly { readonly path: string; readonly target: string }[];
}

/** The registry and its sources, as text, by path from here. */
const texts = import.meta.glob<string>(["../../registry.json", "./*.tsx"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const items: readonly Item[] = JSON.parse(texts["../../registry.json"]!).items;

/** What every shadcn app has already. */
const given = ["react", "@/lib/utils"];

describe.each(items)("the registry item $name", ({ dependencies, files }) => {
  test.each(files)("$path is there, and imports only what it brings or what every shadcn app has", ({ path }) => {
    const source = texts[path.replace("src/registry/", "./")]!;
    const imports = [...source.matchAll(/(?:from|import) "([^"]+)"/g)].map((match) => match[1]!);
    expect(imports.length).toBeGreaterThan(0);
    for (const name of imports) {
      const isBrought = dependencies.some((dependency) => name === dependency || name.startsWith(`${dependency}/`));
      expect(isBrought || given.includes(name), name).toBe(true);
    }
  });
});
