/**
 * The values of one facet with their counts, most frequent first, to narrow the list by or to hide from it.
 *
 * A plain list: whoever shows it decides where, and what narrowing means.
 */
import type { CSSProperties, ReactNode } from "react";
import type { FacetValue } from "../event-client.ts";
import type { TermField } from "./filter-term.ts";
import { hueOf, shortId, wholeNumber } from "./format.ts";
import { kindLook } from "./kinds.ts";

export interface FacetListProps {
  readonly facet: TermField;
  readonly values: readonly FacetValue[];
  /** Whether all events were counted; otherwise it is said that there are more. */
  readonly isComplete?: boolean | undefined;
  /** The values that the list is narrowed to. */
  readonly selected?: readonly string[] | undefined;
  /** Called when a value is checked or unchecked; without it there are no boxes. */
  readonly onToggle?: ((value: string, isSelected: boolean) => void) | undefined;
  readonly onOnly?: ((value: string) => void) | undefined;
  readonly onHide?: ((value: string) => void) | undefined;
}

const NONE: readonly string[] = [];

/** Values and how often each occurs. */
export function FacetList(props: FacetListProps): ReactNode {
  const { facet, values, isComplete = true } = props;
  if (values.length === 0) return <p className="todoki-note">No events with a {facet}.</p>;
  const most = values.reduce((highest, { count }) => Math.max(highest, count), 1);
  return (
    <>
      <ul className="todoki-facets" aria-label={`Events by ${facet}`}>
        {values.map((each) => (
          <Value key={each.value} {...props} {...each} most={most} />
        ))}
      </ul>
      {isComplete ? null : <p className="todoki-note">Not all events are counted.</p>}
    </>
  );
}

function Value(props: FacetListProps & FacetValue & { readonly most: number }): ReactNode {
  const { facet, value, count, most, selected = NONE, onToggle, onOnly, onHide } = props;
  const name = <Name facet={facet} value={value} />;
  const tone = facet === "kind" ? kindLook(value).tone : "other";
  return (
    <li className="todoki-facet">
      {onToggle ? (
        <label className="todoki-facet-name">
          <input
            type="checkbox"
            checked={selected.includes(value)}
            onChange={(event) => onToggle(value, event.currentTarget.checked)}
          />
          {name}
        </label>
      ) : (
        <span className="todoki-facet-name">{name}</span>
      )}
      <span className="todoki-facet-count">{wholeNumber(count)}</span>
      {onOnly ? <Act word="Only" value={value} act={onOnly} /> : null}
      {onHide ? <Act word="Hide" value={value} act={onHide} /> : null}
      <span
        className={`todoki-facet-bar todoki-tone-${tone}`}
        aria-hidden="true"
        style={{ width: `${(100 * count) / most}%` }}
      />
    </li>
  );
}

interface ActProps {
  readonly word: string;
  readonly value: string;
  readonly act: (value: string) => void;
}

function Act({ word, value, act }: ActProps): ReactNode {
  return (
    <button type="button" className="todoki-act" aria-label={`${word} ${value}`} onClick={() => act(value)}>
      {word}
    </button>
  );
}

function Name({ facet, value }: { readonly facet: TermField; readonly value: string }): ReactNode {
  if (facet !== "kind") {
    return (
      <code className="todoki-id" title={value} style={{ "--todoki-hue": hueOf(value) } as CSSProperties}>
        {shortId(value)}
      </code>
    );
  }
  const look = kindLook(value);
  return (
    <>
      <span className={`todoki-tone-${look.tone}`}>{look.icon}</span>
      <code title={look.label}>{value}</code>
    </>
  );
}
