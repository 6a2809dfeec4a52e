/**
 * The timeline: a live list of events, the event that is open, and what there is to say about the stream.
 *
 * It puts the parts together and holds what they share: what is open, where the keys are, how rows look. Each part reads
 * its own slice of the client, so that a new event draws one row and nothing else.
 */
import {
  type CSSProperties,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { identityOf } from "../client-pool.ts";
import type { Counts, Cursor, EventClient, EventRow } from "../event-client.ts";
import { useTodokiSettings } from "../settings.ts";
import { type EventStream, type EventStreamOptions, useEventStream } from "../use-event-stream.ts";
import { useMedia } from "../use-media.ts";
import { useSlice } from "../use-slice.ts";
import { AlertBar } from "./alert-bar.tsx";
import { answersOf } from "./answers.ts";
import { copyText } from "./clipboard.ts";
import { type Column, DEFAULT_COLUMNS, FEWER_COLUMNS } from "./columns.ts";
import { Detail, type DetailProps } from "./detail.tsx";
import { Follower } from "./follow.ts";
import type { Order } from "./geometry.ts";
import type { Shortcut, ShortcutId } from "./keyboard.ts";
import { List } from "./list.tsx";
import type { ListControl } from "./list-engine.ts";
import { LiveRegion } from "./live-region.tsx";
import { textsOf } from "./marks.ts";
import { NewPill } from "./new-pill.tsx";
import type { RowLook } from "./row.tsx";
import { useSelection } from "./selection.ts";
import { VacancyPanel } from "./states.tsx";
import { StatusBar } from "./status-bar.tsx";
import type { Zone } from "./time.ts";
import { type ShortcutScope, useShortcuts } from "./use-shortcuts.ts";

/** How high rows are. On a narrow view, or under a finger, they are higher than all of these and have two lines. */
export type Density = "compact" | "default" | "comfortable";

/** Heights of a row in pixels. */
const ROW_PX: Readonly<Record<Density, number>> = { compact: 24, default: 28, comfortable: 40 };
/** Two lines of text, and as high as a finger needs. */
const NARROW_ROW_PX = 52;
/** Narrower than this columns would leave nothing for the summary, and narrower than that all of them too little. */
const NARROW_BELOW_PX = 640;
const WIDE_FROM_PX = 880;

const NEXT_DENSITY: Readonly<Record<Density, Density>> = {
  compact: "default",
  default: "comfortable",
  comfortable: "compact",
};

/** How a timeline looks and what it does, whatever the stream. */
export interface TimelineViewProps {
  /** The line with the state of the connection. Default true. */
  readonly showStatus?: boolean | undefined;
  /** Follows what is new from the start. Default true. */
  readonly autoScroll?: boolean | undefined;
  /** Row height at first; the key `d` changes it unless `onDensity` is given, which is then asked to. */
  readonly density?: Density | undefined;
  readonly onDensity?: ((density: Density) => void) | undefined;
  /** The clock that times are shown by, as for the density: the key is `t`. */
  readonly zone?: Zone | undefined;
  readonly onZone?: ((zone: Zone) => void) | undefined;
  readonly order?: Order | undefined;
  /** Default: all but the session, and fewer where there is less room. */
  readonly columns?: readonly Column[] | undefined;
  /** Draws the line of an event in place of its cells. Keep it one line high. */
  readonly renderRow?: ((row: EventRow) => ReactNode) | undefined;
  /** Draws the summary of an event, in the list and in the detail. */
  readonly renderSummary?: ((row: EventRow) => ReactNode) | undefined;
  /** Draws the open event in place of `Detail`; `null` shows none, for those who show it elsewhere. */
  readonly renderDetail?: ((props: DetailProps) => ReactNode) | null | undefined;
  /** The cursor of the open event, when somebody else holds it; null is none. */
  readonly selected?: Cursor | null | undefined;
  readonly onSelect?: ((cursor: Cursor | null) => void) | undefined;
  /** The query, as `setFilter` has it: the words that it looks for are marked in summaries. */
  readonly highlight?: string | undefined;
  /** Whether the stream asks for some events alone; without options of a stream only its owner knows. */
  readonly isNarrowed?: boolean | undefined;
  /** What the page can have the list do. */
  readonly control?: RefObject<ListControl | null> | undefined;
  /** A term of the query that was chosen, such as `-kind:agent.output`. Without it nothing offers terms. */
  readonly onFilter?: ((term: string) => void) | undefined;
  /** The filter should be cleared. Default: the client's query becomes empty. */
  readonly onClearFilter?: (() => void) | undefined;
  readonly onCopyLink?: ((cursor: Cursor) => void) | undefined;
  /** A key of the table whose act is the page's, such as `search`. */
  readonly onShortcut?: ((id: ShortcutId) => void) | undefined;
  /** Keys of one letter: heard inside the timeline (default), on the whole page, or not at all. */
  readonly shortcuts?: ShortcutScope | undefined;
  /** Whether new events are summed up for screen readers, at most once in ten seconds. Default true. */
  readonly announces?: boolean | undefined;
  /** Shown where the server asks for another token, and offered before it does: a form, or a link to one. */
  readonly signIn?: ReactNode;
  /** Gives the token up for another one: offered where the server allows none of what is asked for. Without it nothing offers it. */
  readonly onSignOut?: (() => void) | undefined;
  /** Name of the list. Default `Events`. */
  readonly label?: string | undefined;
  readonly className?: string | undefined;
  /** Height of the whole. Default: that of the element around it. */
  readonly height?: number | string | undefined;
}

/** A stream of `useEventStream`, or the options of one. */
export type EventTimelineProps = TimelineViewProps &
  (
    | { readonly stream: EventStream | EventClient }
    | (EventStreamOptions & {
        readonly stream?: undefined;
        /** The classic name of `retain`: events kept in memory. */
        readonly maxEvents?: number | undefined;
      })
  );

/** A live, replayable timeline of events. */
export function EventTimeline(props: EventTimelineProps): ReactNode {
  if (props.stream === undefined) return <OwnStream {...props} />;
  const client = "client" in props.stream ? props.stream.client : props.stream;
  return <Timeline {...props} client={client} />;
}

function OwnStream(
  props: EventTimelineProps & EventStreamOptions & { readonly maxEvents?: number | undefined },
): ReactNode {
  const stream = useEventStream({ ...props, retain: props.retain ?? props.maxEvents });
  const isNarrowed = [props.kinds, props.agentId, props.sessionId, props.taskId, props.projectId].some(Boolean);
  return <Timeline isNarrowed={isNarrowed} {...props} client={stream.client} />;
}

interface TimelineProps extends TimelineViewProps {
  readonly client: EventClient;
  readonly url?: string | undefined;
}

/** Whether matches are marked among others: a filter leaves matches alone, so that marking them would say nothing. */
const isMarkingOf = ({ hits, shown }: Counts) => hits > 0 && hits < shown;

function Timeline(props: TimelineProps): ReactNode {
  const { client, order = "oldest-first", label = "Events", renderDetail } = props;
  const root = useRef<HTMLElement>(null);
  const ownControl = useRef<ListControl | null>(null);
  const control = props.control ?? ownControl;
  const follower = useFollower(client, props.autoScroll ?? true);
  const [density, setDensity] = useOwned(props.density ?? "default", props.onDensity);
  const [zone, setZone] = useOwned<Zone>(props.zone ?? "local", props.onZone);
  const isCoarse = useMedia("(pointer: coarse)");
  const width = useWidth(root);
  const isNarrow = width < NARROW_BELOW_PX || isCoarse;
  const { cursor, row, select } = useSelection(client, props.selected, props.onSelect);
  const [notice, setNotice] = useState("");
  const look = useLook(props, client, zone, width < WIDE_FROM_PX ? FEWER_COLUMNS : DEFAULT_COLUMNS);
  const { onClearFilter, onFilter, onShortcut } = props;

  const url = useServerUrl(props.url);
  const clearFilter = useCallback(
    () => (onClearFilter ? onClearFilter() : void client.setQuery("", "filter")),
    [onClearFilter, client],
  );
  const isOpen = cursor !== null;
  const close = useCallback(() => {
    select(null);
    control.current?.focus();
  }, [select, control]);
  const move = useCallback((next: EventRow) => isOpen && select(next), [isOpen, select]);
  const go = useCallback(
    (next: Cursor) => {
      select(next);
      void control.current?.show(next);
    },
    [select, control],
  );

  useShortcuts(root, props.shortcuts ?? true, (shortcut) =>
    actOn(shortcut, {
      list: control.current,
      isOpen,
      close,
      togglePause: () => (follower.given(client.rows.get().isFollowing) ? follower.pause() : follower.resume()),
      hideKind: onFilter && ((kind) => onFilter(`-kind:${kind}`)),
      copy: (at) => void copyEvent(client, at).then(setNotice),
      copyLink: props.onCopyLink,
      nextDensity: () => setDensity(NEXT_DENSITY[density]),
      otherZone: () => setZone(zone === "local" ? "utc" : "local"),
      page: onShortcut,
    }),
  );

  const detail: DetailProps | null = row && {
    row,
    client,
    onClose: close,
    onFilter,
    onCopyLink: props.onCopyLink,
    onSelect: go,
    renderSummary: props.renderSummary,
  };
  const isAside = detail !== null && renderDetail !== null;
  return (
    <section
      ref={root}
      className={props.className === undefined ? "todoki" : `todoki ${props.className}`}
      aria-label={`Timeline: ${label}`}
      data-density={density}
      data-narrow={isNarrow || undefined}
      data-marking={useSlice(client.counts, isMarkingOf) || undefined}
      style={heightStyle(props.height)}
    >
      {(props.showStatus ?? true) ? <StatusBar client={client} follower={follower} /> : null}
      <AlertBar
        client={client}
        signIn={props.signIn}
        onClearFilter={props.isNarrowed ? onClearFilter : undefined}
        onSignOut={props.onSignOut}
        onGone={() => control.current?.focus()}
      />
      <div className="todoki-body" data-open={isAside || undefined}>
        <div className="todoki-list">
          <List
            // Places and generations are one client's own, so another client has another list.
            key={identityOf(client)}
            client={client}
            follower={follower}
            look={look}
            rowHeight={isNarrow ? NARROW_ROW_PX : ROW_PX[density]}
            order={order}
            isNarrow={isNarrow}
            label={label}
            selected={cursor}
            onOpen={select}
            onMove={move}
            control={control}
          />
          <VacancyPanel client={client} url={url} isNarrowed={props.isNarrowed ?? false} onClearFilter={clearFilter} />
          <NewPill client={client} follower={follower} order={order} />
        </div>
        {detail !== null && isAside ? (
          <div className="todoki-aside">{renderDetail ? renderDetail(detail) : <Detail {...detail} />}</div>
        ) : null}
      </div>
      <LiveRegion client={client} announcesEvents={props.announces} notice={notice} />
    </section>
  );
}

function heightStyle(height: number | string | undefined): CSSProperties | undefined {
  return height === undefined ? undefined : { height };
}

/** Where the server is, to be written down for a person; the page's own origin once there is a page. */
function useServerUrl(url: string | undefined): string {
  const settings = useTodokiSettings();
  const [origin, setOrigin] = useState("");
  useEffect(() => setOrigin(location.origin), []);
  return url ?? settings.url ?? origin;
}

/** The follower of a client. Where nothing should follow from the start, it is paused as by a command. */
function useFollower(client: EventClient, isFollowing: boolean): Follower {
  const follower = useMemo(() => new Follower(client), [client]);
  useEffect(() => {
    if (!isFollowing) follower.pause();
  }, [follower, isFollowing]);
  return follower;
}

/** A value that its owner sets when there is one to ask, and that is our own otherwise. */
function useOwned<T>(given: T, ask: ((value: T) => void) | undefined): readonly [T, (value: T) => void] {
  const [own, setOwn] = useState({ given, value: given });
  // A new given value is obeyed, as by one who holds it.
  if (own.given !== given) setOwn({ given, value: given });
  const set = useCallback((value: T) => (ask ? ask(value) : setOwn((last) => ({ ...last, value }))), [ask]);
  return [ask ? given : own.value, set];
}

function useLook(props: TimelineProps, client: EventClient, zone: Zone, fitting: readonly Column[]): RowLook {
  const { columns = fitting, highlight = "", renderRow, renderSummary } = props;
  return useMemo(
    () => ({
      columns,
      zone,
      renderRow,
      renderSummary,
      marked: textsOf(highlight),
      answers: answersOf(client),
      // A gap that could not be filled stays a gap, with its button.
      fill: (place) => void client.fill(place).catch(() => {}),
    }),
    [columns, zone, highlight, renderRow, renderSummary, client],
  );
}

/** The width of the timeline itself, whatever the window's; endless until there is one. */
function useWidth(root: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(Number.POSITIVE_INFINITY);
  useLayoutEffect(() => {
    const { current } = root;
    if (current === null) return;
    const measure = () => setWidth(current.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, [root]);
  return width;
}

async function copyEvent(client: EventClient, { cursor }: EventRow): Promise<string> {
  try {
    const text = await client.event(cursor);
    if (text === null) return `Event ${cursor} is not to be had any more`;
    await copyText(text);
    return `Copied event ${cursor}`;
  } catch {
    return `Event ${cursor} could not be copied`;
  }
}

/** What the keys can have done. */
interface Acts {
  readonly list: ListControl | null;
  readonly isOpen: boolean;
  readonly close: () => void;
  readonly togglePause: () => void;
  readonly hideKind: ((kind: string) => void) | undefined;
  readonly copy: (row: EventRow) => void;
  readonly copyLink: ((cursor: Cursor) => void) | undefined;
  readonly nextDensity: () => void;
  readonly otherZone: () => void;
  readonly page: ((id: ShortcutId) => void) | undefined;
}

/** Keys that go to another row. */
const MOVES: ReadonlySet<ShortcutId> = new Set([
  ...(["down", "up", "page-down", "page-up", "top", "bottom", "next-hit", "previous-hit"] as const),
  ...(["next-failure", "previous-failure", "next-related", "previous-related"] as const),
]);

/** Does what a key says. Returns whether it meant anything here. */
function actOn({ id }: Shortcut, acts: Acts): boolean {
  const { list } = acts;
  if (list === null) return false;
  const active = list.active();
  const event = active?.type === "event" ? active : null;
  const related = event?.taskId ? "same-task" : event?.sessionId ? "same-session" : "same-agent";
  const table: Readonly<Record<ShortcutId, (() => void) | null | undefined>> = {
    down: () => list.move(1),
    up: () => list.move(-1),
    "page-down": () => list.movePages(1),
    "page-up": () => list.movePages(-1),
    top: () => list.moveToEnd("top"),
    bottom: () => list.moveToEnd("bottom"),
    pause: acts.togglePause,
    open: active && (() => list.open()),
    close: acts.isOpen ? acts.close : active && (() => list.release()),
    "next-hit": () => void list.find("hit", 1),
    "previous-hit": () => void list.find("hit", -1),
    "next-failure": () => void list.find("failure", 1),
    "previous-failure": () => void list.find("failure", -1),
    "next-related": event && (() => void list.find(related, 1)),
    "previous-related": event && (() => void list.find(related, -1)),
    "hide-kind": event && acts.hideKind && (() => acts.hideKind?.(event.kind)),
    copy: event && (() => acts.copy(event)),
    "copy-link": event && acts.copyLink && (() => acts.copyLink?.(event.cursor)),
    density: acts.nextDensity,
    "time-zone": acts.otherZone,
    search: acts.page && (() => acts.page?.("search")),
    lanes: acts.page && (() => acts.page?.("lanes")),
    help: acts.page && (() => acts.page?.("help")),
  };
  const act = table[id];
  if (!act) return false;
  // Whoever goes through rows by keys has the next key meant for the row, and a screen reader tells the row of a grid only.
  if (MOVES.has(id)) list.focus();
  act();
  return true;
}
