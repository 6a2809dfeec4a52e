/**
 * A value that changes, and those who want to know: the shape that `useSyncExternalStore` takes.
 *
 * Each part of what a client knows is a slice of its own, so that a new row renders no toolbar.
 */
export interface Slice<T> {
  /** The value now. The same object until it changes. */
  get(): T;
  /** Calls back after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void;
}

/** A slice that its owner may set. */
export interface Cell<T> extends Slice<T> {
  set(value: T): void;
}

/** A cell that holds `value`. Setting the value that it holds tells nobody. */
export function cell<T>(value: T): Cell<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A slice that stays what it is. */
export function still<T>(value: T): Slice<T> {
  return { get: () => value, subscribe: () => () => {} };
}
