/**
 * A slice read by a component: it renders again when what it selected is another value, and for nothing else.
 */
import { useCallback, useRef, useSyncExternalStore } from "react";
import type { Slice } from "./slice.ts";

/** The value of the slice. */
export function useSlice<T>(slice: Slice<T>): T;
/**
 * What `select` makes of it. It is called once for each value of the slice, so it may make objects; give `isEqual` when
 * two of them can mean the same.
 */
export function useSlice<T, S>(slice: Slice<T>, select: (value: T) => S, isEqual?: (a: S, b: S) => boolean): S;
export function useSlice<T, S>(
  slice: Slice<T>,
  select?: (value: T) => S,
  isEqual: (a: S, b: S) => boolean = Object.is,
): T | S {
  const memory = useRef<{ readonly value: T; readonly select: unknown; readonly selected: S } | null>(null);
  const get = useCallback((): T | S => {
    const value = slice.get();
    if (select === undefined) return value;
    const last = memory.current;
    if (last !== null && Object.is(last.value, value) && last.select === select) return last.selected;
    const made = select(value);
    const selected = last !== null && isEqual(last.selected, made) ? last.selected : made;
    memory.current = { value, select, selected };
    return selected;
  }, [slice, select, isEqual]);
  return useSyncExternalStore(slice.subscribe, get, get);
}
