/** Events as a file: one JSON object a line as the server sent it, or a table for spreadsheets. */
import type { Envelope } from "../protocol/scan.ts";
import { envelope, readEvent } from "../protocol/scan.ts";
import type { Window } from "./window.ts";

export type Format = "ndjson" | "csv";

const COLUMNS = "cursor,time,kind,agent_id,session_id,task_id,project_id,data\r\n";
/** Text is made into parts of a file when there is so much, so that no text grows as large as the file. */
const PART_LENGTH = 1 << 20;

/** Collects lines into the parts of a Blob. */
export class ExportFile {
  readonly #format: Format;
  readonly #parts: BlobPart[] = [];
  #text: string;
  readonly #at: Envelope = envelope();
  events = 0;

  constructor(format: Format) {
    this.#format = format;
    this.#text = format === "csv" ? COLUMNS : "";
  }

  /** Adds the text of an event. */
  add(raw: string): void {
    this.events++;
    this.#text += this.#format === "ndjson" ? `${raw}\n` : this.#row(raw);
    if (this.#text.length > PART_LENGTH) this.#cut();
  }

  blob(): Blob {
    this.#cut();
    return new Blob(this.#parts, { type: this.#format === "csv" ? "text/csv" : "application/x-ndjson" });
  }

  #cut(): void {
    // A Blob of its own may be kept on disk; a list of strings is kept in memory.
    this.#parts.push(new Blob([this.#text]));
    this.#text = "";
  }

  #row(raw: string): string {
    const at = this.#at;
    if (!readEvent(raw, at)) return "";
    // As the server wrote it: a number of milliseconds has fewer digits.
    const time = /"time"\s*:\s*"([^"]*)"/.exec(raw)![1]!;
    const data = raw.slice(at.data, at.dataEnd);
    return `${[at.cursor, time, at.kind, at.agent, at.session, at.task, at.project, data].map(csvCell).join(",")}\r\n`;
  }
}

/** A cell by RFC 4180, which a spreadsheet does not take for a formula. */
export function csvCell(value: string | number): string {
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Calls back with each line of a response as it comes, the last one also when no line feed ends it. */
export async function eachLine(response: Response, line: (text: string) => void): Promise<void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }))).split("\n");
    rest = done ? "" : lines.pop()!;
    for (const text of lines) if (text !== "") line(text);
    if (done) return;
  }
}

/** Progress is told once for so many events. */
const PROGRESS_EVENTS = 1000;

/** The events in memory that the query shows. */
export function exportLoaded({ index, log }: Window, format: Format): ExportFile {
  const file = new ExportFile(format);
  for (let place = index.first; place < index.next; place++) {
    const seq = index.seq(place);
    if (!log.isMarker(seq)) file.add(log.raw(seq));
  }
  return file;
}

/** All events in an answer of the server. */
export async function exportLog(
  response: Response,
  format: Format,
  onProgress: (events: number) => void,
): Promise<ExportFile> {
  const file = new ExportFile(format);
  await eachLine(response, (line) => {
    file.add(line);
    if (file.events % PROGRESS_EVENTS === 0) onProgress(file.events);
  });
  return file;
}
