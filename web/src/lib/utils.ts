import { type ClassValue, clsx } from "clsx";

/**
 * Joins class names. It sorts out no conflicts, since what does weighs as much as a tenth of the page: a class that has to
 * win over one of the component's own says so itself, as in `h-9!`.
 */
export function cn(...classes: ClassValue[]): string {
  return clsx(classes);
}
