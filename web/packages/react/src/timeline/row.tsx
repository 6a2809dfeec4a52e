/**
 * One line of the list: an event in its cells, or a marker.
 *
 * A row is drawn again only when it shows another event or looks different. It has no state and no handler: what is done
 * with it is the list's, so that a recycled row has nothing to forget.
 */
import { type CSSProperties, memo, type ReactNode, useMemo } from "react";
import type { EventRow, Row } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { type Answers, requestIdOf } from "./answers.ts";
import { type Column, titleOf } from "./columns.ts";
import { hueOf, shortId, wholeNumber } from "./format.ts";
import { kindLook } from "./kinds.ts";
import { MarkerText } from "./marker-row.tsx";
import { piecesOf } from "./marks.ts";
import { isSameMarker } from "./messages.ts";
import { summaryOf } from "./summary.ts";
import { clockTime, isoDay, type Zone } from "./time.ts";

/** How all rows of a list are drawn. The same object for as long as nothing of it changes. */
export interface RowLook {
  readonly columns: readonly Column[];
  readonly zone: Zone;
  /** Draws the whole line of an event in place of its cells. */
  readonly renderRow?: ((row: EventRow) => ReactNode) | undefined;
  /** Draws the summary of an event; null or undefined leaves it as it is. */
  readonly renderSummary?: ((row: EventRow) => ReactNode) | undefined;
  /** Texts to mark in summaries, in lower case. */
  readonly marked: readonly string[];
  /** What is known of the answers to permission requests: those without one have a button that opens them. */
  readonly answers?: Answers | undefined;
  /** Loads what a gap left out. */
  readonly fill: (place: number) => void;
}

export interface TimelineRowProps {
  readonly id: string;
  readonly row: Row;
  /** Pixels below the layer's origin. */
  readonly y: number;
  readonly isActive: boolean;
  readonly isSelected: boolean;
  readonly look: RowLook;
}

/** A line at its place. */
export const TimelineRow = memo(function TimelineRow(props: TimelineRowProps): ReactNode {
  const { id, row, y, isActive, isSelected, look } = props;
  const isEvent = row.type === "event";
  return (
    <div
      id={id}
      role="row"
      className="todoki-row"
      data-place={row.place}
      data-cursor={isEvent ? row.cursor : undefined}
      data-active={isActive || undefined}
      data-failure={(isEvent && row.isFailure) || undefined}
      data-hit={(isEvent && row.isHit) || undefined}
      data-day={(isEvent && row.isNewDay) || undefined}
      data-marker={isEvent ? undefined : row.marker.type}
      aria-selected={isSelected}
      style={{ transform: `translateY(${y}px)` }}
    >
      {isEvent ? <EventCells row={row} look={look} /> : <MarkerCell row={row} look={look} />}
    </div>
  );
}, isSameLine);

/** Whether a line would look the same. A worker's rows are copies, so that sameness goes by what they say. */
function isSameLine(a: TimelineRowProps, b: TimelineRowProps): boolean {
  return (
    a.id === b.id &&
    a.y === b.y &&
    a.isActive === b.isActive &&
    a.isSelected === b.isSelected &&
    a.look === b.look &&
    (a.row === b.row || isSameRow(a.row, b.row))
  );
}

function isSameRow(a: Row, b: Row): boolean {
  if (a.place !== b.place) return false;
  if (a.type === "marker") return b.type === "marker" && a.time === b.time && isSameMarker(a.marker, b.marker);
  return b.type === "event" && a.cursor === b.cursor && a.isHit === b.isHit && a.isNewDay === b.isNewDay;
}

function MarkerCell({ row, look }: { readonly row: Row & { type: "marker" }; readonly look: RowLook }): ReactNode {
  return (
    <span role="gridcell" className="todoki-cell todoki-c-whole" aria-colspan={look.columns.length}>
      <MarkerText row={row} fill={look.fill} />
    </span>
  );
}

function EventCells({ row, look }: { readonly row: EventRow; readonly look: RowLook }): ReactNode {
  if (look.renderRow !== undefined) {
    return (
      <span role="gridcell" className="todoki-cell todoki-c-whole" aria-colspan={look.columns.length}>
        {look.renderRow(row)}
      </span>
    );
  }
  return (
    <>
      {look.columns.map((column) => (
        <span key={column} role="gridcell" className={`todoki-cell todoki-c-${column}`}>
          <CellContent column={column} row={row} look={look} />
        </span>
      ))}
      {row.isNewDay ? <span className="todoki-day">{isoDay(row.time, look.zone)}</span> : null}
      {look.answers !== undefined && row.kind === "permission.requested" ? (
        <ToAnswer row={row} answers={look.answers} />
      ) : null}
    </>
  );
}

/**
 * The way to a request that nobody has answered. It opens the request and grants nothing: rows move while events come, and
 * what one agrees to has to be read first. The click is the list's, as for the row itself.
 */
function ToAnswer({ row, answers }: { readonly row: EventRow; readonly answers: Answers }): ReactNode {
  const requestId = useMemo(() => requestIdOf(row), [row]);
  const isOpen = useSlice(answers, (known) => requestId !== null && !known.has(requestId));
  if (!isOpen) return null;
  return (
    <span role="gridcell" className="todoki-answer">
      <button type="button" className="todoki-button" data-opens="">
        Answer
      </button>
    </span>
  );
}

function CellContent(props: { readonly column: Column; readonly row: EventRow; readonly look: RowLook }): ReactNode {
  const { column, row, look } = props;
  switch (column) {
    case "time":
      return clockTime(row.time, look.zone);
    case "cursor":
      return wholeNumber(row.cursor);
    case "kind":
      return <Kind kind={row.kind} />;
    case "agent":
      return <Id id={row.agentId} />;
    case "session":
      return <Id id={row.sessionId} />;
    case "project":
      return <Id id={row.projectId} />;
    case "task":
      return <Id id={row.taskId} />;
    case "summary":
      return look.renderSummary?.(row) ?? <Summary text={summaryOf(row)} marked={look.marked} />;
  }
}

function Summary({ text, marked }: { readonly text: string; readonly marked: readonly string[] }): ReactNode {
  if (marked.length === 0) return text;
  return piecesOf(text, marked).map((piece) =>
    piece.isMarked ? <mark key={piece.at}>{piece.text}</mark> : piece.text,
  );
}

function Kind({ kind }: { readonly kind: string }): ReactNode {
  const { icon, tone, label } = kindLook(kind);
  return (
    <span className={`todoki-kind todoki-tone-${tone}`} title={label}>
      <span className="todoki-kind-icon" aria-hidden="true">
        {icon}
      </span>
      <span className="todoki-kind-name">{kind}</span>
    </span>
  );
}

/**
 * The end of an id beside a colour made of all of it. Its element is there without an id too: rows change twenty times a
 * second, and to make and drop elements costs more than to change them.
 */
function Id({ id }: { readonly id: string | null }): ReactNode {
  const isNone = id === null;
  return (
    <span
      className={isNone ? undefined : "todoki-id"}
      title={id ?? undefined}
      style={{ "--todoki-hue": isNone ? undefined : hueOf(id) } as CSSProperties}
    >
      {isNone ? "" : shortId(id)}
    </span>
  );
}

/** The row of titles. */
export function HeadRow({ columns }: { readonly columns: readonly Column[] }): ReactNode {
  return (
    <div role="row" aria-rowindex={1} className="todoki-head">
      {columns.map((column) => (
        <span key={column} role="columnheader" className={`todoki-cell todoki-c-${column}`}>
          {titleOf(column)}
        </span>
      ))}
    </div>
  );
}
