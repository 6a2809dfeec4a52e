import { useSyncExternalStore } from "react";

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => matchMedia(query).matches,
    () => false,
  );
}

/** Where the detail stands beside the list. Below it there is no room for both. */
export const wide = "(min-width: 1024px)";

/** Where one holds the page in a hand: the commands are at the bottom, and the filters are a sheet. */
export const narrow = "(max-width: 767px)";
