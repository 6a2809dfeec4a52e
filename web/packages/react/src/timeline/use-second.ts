/**
 * The clock of what counts down.
 */
import { useEffect, useState } from "react";

/** The present, told again at each whole second that is left until a time; still when there is none. */
export function useSecond(until: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tick = () => {
      const left = until - Date.now();
      setNow(Date.now());
      if (left > 0) timer = setTimeout(tick, left % 1000 || 1000);
    };
    tick();
    return () => clearTimeout(timer);
  }, [until]);
  return now;
}
