/**
 * Which panel stands where there are no rows. Pure.
 */
import type { Counts, Rows, Status } from "../event-client.ts";

/** What stands in the place of rows. */
export type Vacancy = "none" | "skeleton" | "away" | "refused" | "empty" | "filtered";

/** What stands in the place of rows when there are none. Pure. */
export function vacancyOf(status: Status, rows: Pick<Rows, "first" | "next">, counts: Pick<Counts, "loaded">): Vacancy {
  if (rows.next > rows.first) return "none";
  switch (status.phase) {
    case "connecting":
    case "replaying":
      return counts.loaded > 0 ? "filtered" : "skeleton";
    case "unauthorized":
    case "expired":
    case "forbidden":
      return "refused";
    case "live":
    case "lagging":
      return counts.loaded > 0 ? "filtered" : "empty";
    default:
      return counts.loaded > 0 ? "filtered" : "away";
  }
}
