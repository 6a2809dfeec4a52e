// Runs a TypeScript module of this directory in Node, which before version 22 strips no types: Vite does, and is here
// anyway. Usage: node bench/launch.mjs MODULE [ARGUMENT…]
import path from "node:path";
import { runnerImport } from "vite";

// What is measured is what is shipped: otherwise Vite takes React's development build along.
process.env.NODE_ENV = "production";

const [, , name] = process.argv;
const file = path.resolve(import.meta.dirname, name ?? "main.ts");
const { module } = await runnerImport(file, { configFile: false, logLevel: "warn" });
process.exitCode = (await module.main(process.argv.slice(3))) ?? 0;
