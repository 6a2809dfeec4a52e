import { expect, test } from "vitest";
import { parseViews, withView } from "./saved-views.ts";

test("a view replaces the one of its name, and the list is sorted by name", () => {
  const views = withView(withView([{ name: "b", href: "/events?q=1" }], { name: "a", href: "/events" }), {
    name: "b",
    href: "/events?q=2",
  });
  expect(views).toEqual([
    { name: "a", href: "/events" },
    { name: "b", href: "/events?q=2" },
  ]);
});

test("the list has a bound", () => {
  let views = parseViews(null);
  for (let number = 0; number < 40; number++) views = withView(views, { name: `view ${number}`, href: "/events" });
  expect(views.length).toBeLessThanOrEqual(24);
  expect(views.map((view) => view.name)).toContain("view 39");
});

test("what was kept and is no view of this app is left out", () => {
  expect(parseViews("not json")).toEqual([]);
  expect(parseViews('{"name":"a"}')).toEqual([]);
  const kept = [
    { name: "a", href: "/events/7" },
    { name: "b", href: "//evil.test/events" },
    { name: 1, href: "/events" },
    null,
  ];
  expect(parseViews(JSON.stringify(kept))).toEqual([{ name: "a", href: "/events/7" }]);
});
