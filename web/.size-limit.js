// What the built page weighs, in brotli, as the server sends it. What is critical is what the page itself names: the
// scripts that run, and those that are loaded with them.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("dist/index.html", import.meta.url), "utf8");
const critical = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => `dist/${match[1]}`);

export default [
  { name: "critical JavaScript, with React", path: critical, limit: "110 KB" },
  // `host` is the worker's code once more, and so is one of the two `extras`, for browsers that cannot start a worker;
  // others never load them.
  {
    name: "all JavaScript of the page",
    path: ["dist/assets/*.js", "!dist/assets/{worker,host,extras}-*.js"],
    limit: "170 KB",
  },
  // 8 KB is aimed at; what is left beyond it is what a stream needs before it can be shown at all.
  { name: "worker", path: "dist/assets/worker-*.js", limit: "9.2 KB" },
  { name: "what a worker loads on demand, twice", path: "dist/assets/extras-*.js", limit: "16 KB" },
  { name: "CSS", path: "dist/assets/*.css", limit: "12 KB" },
];
