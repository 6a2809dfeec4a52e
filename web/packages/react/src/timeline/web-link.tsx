/**
 * A link to somewhere outside, which is not told where it was followed from and gets no hold of this page.
 */
import type { ReactNode } from "react";

export interface WebLinkProps {
  /** An address that `isWebAddress`. */
  readonly address: string;
  /** Whether Tab reaches it. */
  readonly isReached?: boolean;
  readonly children: ReactNode;
}

/** A link to somewhere outside. */
export function WebLink({ address, isReached = true, children }: WebLinkProps): ReactNode {
  return (
    <a href={address} target="_blank" rel="noreferrer noopener" tabIndex={isReached ? undefined : -1}>
      {children}
    </a>
  );
}
