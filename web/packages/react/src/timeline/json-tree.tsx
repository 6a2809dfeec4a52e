/**
 * JSON as a tree that can be opened, walked by keys, copied from and filtered by.
 *
 * The text is read when the tree is opened, and values become elements when what holds them is open. Numbers are shown as
 * they are spelt. Large texts are not read unasked, and very large ones are offered as a file: a page that hangs on one
 * event is worse than one that asks first.
 */
import { type KeyboardEvent, type MouseEvent, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { CopyButton } from "./copy-button.tsx";
import { dataTerm } from "./filter-term.ts";
import { wholeNumber } from "./format.ts";
import {
  CHILDREN_AT_ONCE,
  childrenOf,
  FOLDED_CHARACTERS,
  type JsonRow,
  jsonRows,
  keyStep,
  type Opening,
  type ValueRow,
} from "./json-rows.ts";
import { type JsonNode, type JsonPath, jqPath, pathText, plain, readJson } from "./json-text.ts";
import { isWebAddress } from "./web-address.ts";
import { WebLink } from "./web-link.tsx";

export interface JsonTreeProps {
  /** The JSON. It may be cut; what there is of it is shown. */
  readonly text: string;
  /** What those who hear it are told that it is: `Data of event 88,015`. */
  readonly label: string;
  /** Path of the value itself, for copying and filtering. Default: `["data"]`. */
  readonly path?: JsonPath;
  /** Called with a term of the query when *Only* or *Hide* is chosen; without it there are no such buttons. */
  readonly onFilter?: ((term: string) => void) | undefined;
}

/** Beyond this a text is not read before it is asked for: reading and drawing stay well below a frame up to here. */
const UNASKED_BYTES = 64 * 1024;
/** Beyond this it is a file to download. The server takes no event of more than 256 KiB, but others may. */
const TREE_BYTES = 1024 * 1024;
/** Texts up to this are shown with their second level open: about a screen. */
const OPEN_WIDE_CHARACTERS = 2048;

const ROOT_PATH: JsonPath = ["data"];

/** JSON as a tree. */
export function JsonTree({ text, label, path = ROOT_PATH, onFilter }: JsonTreeProps): ReactNode {
  const [isAsked, setAsked] = useState(false);
  const bytes = useMemo(() => new Blob([text]).size, [text]);
  if (bytes > TREE_BYTES) return <Download text={text} bytes={bytes} />;
  if (bytes > UNASKED_BYTES && !isAsked) {
    return (
      <button type="button" className="todoki-act" onClick={() => setAsked(true)}>
        Show {size(bytes)} of JSON
      </button>
    );
  }
  return <Tree text={text} label={label} path={path} onFilter={onFilter} />;
}

function Tree({ text, label, path, onFilter }: JsonTreeProps & { readonly path: JsonPath }): ReactNode {
  const { root, brokenAt } = useMemo(() => readJson(text), [text]);
  const { opening, toggle } = useOpening(text.length <= OPEN_WIDE_CHARACTERS ? 2 : 1);
  const rows = useMemo(() => (root ? jsonRows(root, path, opening) : []), [root, path, opening]);
  const [active, setActive] = useState("");
  const tree = useRef<HTMLDivElement>(null);
  const activeRow = rows.find((row) => row.id === active) ?? rows[0];
  const actedOn = valueAt(rows, activeRow);

  useEffect(() => {
    const items = [...(tree.current?.children ?? [])];
    if (!items.includes(document.activeElement as Element)) return;
    const item = items.find((each) => each.getAttribute("data-id") === active);
    if (item instanceof HTMLElement) item.focus();
  }, [active]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !activeRow) return;
    if (event.target instanceof HTMLAnchorElement && event.key === "Enter") return;
    const step = keyStep(rows, activeRow.id, event.key);
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    if ("go" in step) setActive(step.go);
    else toggle(rows.find((row) => row.id === step.toggle));
  };
  const onClick = (event: MouseEvent) => {
    if (!(event.target instanceof Element) || event.target.closest("a")) return;
    const id = event.target.closest("[role=treeitem]")?.getAttribute("data-id");
    const row = rows.find((each) => each.id === id);
    if (!row) return;
    setActive(row.id);
    // A text that was selected for copying is not a click.
    if (getSelection()?.isCollapsed !== false) toggle(row);
  };

  return (
    <div className="todoki-json">
      <div ref={tree} role="tree" tabIndex={-1} aria-label={label} onKeyDown={onKeyDown} onClick={onClick}>
        {rows.map((row) => (
          <Item key={row.id} row={row} isActive={row === activeRow} onFocus={setActive} />
        ))}
      </div>
      {brokenAt === null ? null : <p className="todoki-note">{brokenText(root, brokenAt, text)}</p>}
      {actedOn ? <Actions row={actedOn} text={text} onFilter={onFilter} /> : null}
    </div>
  );
}

/**
 * The value that the actions are on: that of the line, or what holds it where the line is no value. There always is one, so
 * that nothing moves under a pointer that is pressed and about to be released.
 */
function valueAt(rows: readonly JsonRow[], row: JsonRow | undefined): ValueRow | undefined {
  if (row?.type !== "more") return row;
  return rows.find((each): each is ValueRow => each.type === "value" && each.id === row.parent);
}

/** Which values are open: the first levels, and then what was opened or closed by hand. */
function useOpening(levels: number): { opening: Opening; toggle: (row: JsonRow | undefined) => void } {
  const [isOpenById, setOpen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [shownById, setShown] = useState<ReadonlyMap<string, number>>(new Map());
  const opening = useMemo<Opening>(
    () => ({
      isOpen: (id, node, level) => isOpenById.get(id) ?? (level <= levels && node.type !== "string"),
      shown: (id) => shownById.get(id) ?? CHILDREN_AT_ONCE,
    }),
    [isOpenById, shownById, levels],
  );
  const toggle = (row: JsonRow | undefined) => {
    if (row?.type === "more" && row.parent !== null) {
      setShown(new Map(shownById).set(row.parent, opening.shown(row.parent) + CHILDREN_AT_ONCE));
    } else if (row?.type === "value" && row.isOpen !== null) {
      setOpen(new Map(isOpenById).set(row.id, !row.isOpen));
    }
  };
  return { opening, toggle };
}

interface ItemProps {
  readonly row: JsonRow;
  readonly isActive: boolean;
  readonly onFocus: (id: string) => void;
}

function Item({ row, isActive, onFocus }: ItemProps): ReactNode {
  const isOpen = row.type === "value" ? row.isOpen : null;
  return (
    <div
      role="treeitem"
      data-id={row.id}
      className="todoki-json-row"
      tabIndex={isActive ? 0 : -1}
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={isOpen ?? undefined}
      aria-selected={isActive}
      style={{ paddingInlineStart: `calc(${row.level}em + 4px)` }}
      onFocus={() => onFocus(row.id)}
    >
      {row.type === "more" ? (
        <span className="todoki-json-more">… {wholeNumber(row.hidden)} more</span>
      ) : (
        <>
          <span className="todoki-json-mark" aria-hidden="true">
            {isOpen === null ? "" : isOpen ? "▾" : "▸"}
          </span>
          <span className="todoki-json-key">{row.name}</span>
          {": "}
          <Value row={row} isActive={isActive} />
        </>
      )}
    </div>
  );
}

function Value({ row, isActive }: { readonly row: ValueRow; readonly isActive: boolean }): ReactNode {
  const { node, isOpen } = row;
  switch (node.type) {
    case "object":
    case "array":
      return <span className="todoki-muted">{sizeOf(node)}</span>;
    case "number":
      return <span className="todoki-json-number">{node.text}</span>;
    case "literal":
      return <span className="todoki-json-literal">{String(node.value)}</span>;
    case "string":
      return <StringValue value={node.value} isOpen={isOpen} isCut={node.isCut} isActive={isActive} />;
  }
}

interface StringValueProps {
  readonly value: string;
  readonly isOpen: boolean | null;
  readonly isCut: boolean;
  readonly isActive: boolean;
}

function StringValue({ value, isOpen, isCut, isActive }: StringValueProps): ReactNode {
  if (isOpen) return <span className="todoki-json-text">{value}</span>;
  const isFolded = isOpen === false;
  const shown = isFolded ? value.slice(0, FOLDED_CHARACTERS) : value;
  const quoted = isCut || isFolded ? `${JSON.stringify(shown).slice(0, -1)}…` : JSON.stringify(shown);
  return (
    <span className="todoki-json-string">
      {isWebAddress(value) ? (
        <WebLink address={value} isReached={isActive}>
          {quoted}
        </WebLink>
      ) : (
        quoted
      )}
      {isFolded && <span className="todoki-muted"> {wholeNumber(value.length)} characters</span>}
    </span>
  );
}

interface ActionsProps {
  readonly row: ValueRow;
  readonly text: string;
  readonly onFilter: JsonTreeProps["onFilter"];
}

/** What can be done with the line that is chosen. It stands outside of the tree, since items of a tree hold no buttons. */
function Actions({ row, text, onFilter }: ActionsProps): ReactNode {
  const { node, path } = row;
  const value = plain(node);
  const only = value === null ? null : dataTerm(path, value);
  const hide = value === null ? null : dataTerm(path, value, true);
  return (
    <fieldset className="todoki-acts" aria-label={`Actions on ${pathText(path)}`}>
      <code className="todoki-acts-of" title={pathText(path)}>
        {pathText(path)}
      </code>
      {onFilter && only && hide ? (
        <>
          <button type="button" className="todoki-act" onClick={() => onFilter(only)}>
            Only
          </button>
          <button type="button" className="todoki-act" onClick={() => onFilter(hide)}>
            Hide
          </button>
        </>
      ) : null}
      <CopyButton text={node.type === "string" ? node.value : text.slice(node.start, node.end)}>Copy value</CopyButton>
      <CopyButton text={pathText(path)}>Copy path</CopyButton>
      <CopyButton text={jqPath(path)}>Copy jq</CopyButton>
    </fieldset>
  );
}

function Download({ text, bytes }: { readonly text: string; readonly bytes: number }): ReactNode {
  const download = () => {
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "event-data.json";
    link.click();
    // The browser has begun to read it by the next task, and would keep all of it for as long as the page lives.
    setTimeout(() => URL.revokeObjectURL(address));
  };
  return (
    <button type="button" className="todoki-act" onClick={download}>
      Download {size(bytes)} of JSON
    </button>
  );
}

function brokenText(root: JsonNode | null, brokenAt: number, text: string): string {
  if (root && brokenAt === text.length) return "Cut here: the rest is not loaded.";
  return `Not JSON from character ${brokenAt + 1}: ${text.slice(brokenAt, brokenAt + FOLDED_CHARACTERS)}`;
}

function sizeOf(node: JsonNode): string {
  const count = childrenOf(node).length;
  const [open, close] = node.type === "array" ? "[]" : "{}";
  return count === 0 ? `${open}${close}` : `${open} ${wholeNumber(count)} ${close}`;
}

function size(bytes: number): string {
  return bytes < TREE_BYTES ? `${Math.round(bytes / 1024)} KB` : `${(bytes / TREE_BYTES).toFixed(1)} MB`;
}
