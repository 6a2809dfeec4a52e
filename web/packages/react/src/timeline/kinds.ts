/**
 * How each kind of event looks and what it is called: the one table of it.
 *
 * Kinds are an open list, so a kind that the table does not have gets the look of its family, the part before its first
 * dot, and one that tells of a failure looks like a failure whatever its family.
 */
import { createElement, type ReactNode } from "react";
import { type IconName, KindIcon } from "./kind-icon.tsx";

/** The families that have a colour of their own, `--todoki-family-…`. All others are `other`. */
export const FAMILIES = ["task", "agent", "artifact", "permission", "relay", "system", "human", "other"] as const;

/** One of the families. */
export type Family = (typeof FAMILIES)[number];

/** What a look says beyond its family: the class `todoki-tone-…` has its colour. */
export type Tone = Family | "danger" | "ok" | "warn";

/** How a kind is shown. */
export interface KindLook {
  readonly family: Family;
  readonly icon: ReactNode;
  readonly tone: Tone;
  /** The kind in words: `Task created`. */
  readonly label: string;
  readonly isFailure: boolean;
}

/** The sign and the words of each kind that Todoki knows, and its tone where that is not its family's. */
const KINDS: Readonly<Record<string, readonly [icon: IconName, label: string, tone?: Tone]>> = {
  "task.created": ["plus", "Task created"],
  "task.status_changed": ["arrow", "Task status changed"],
  "task.assigned": ["person", "Task assigned"],
  "task.completed": ["check", "Task completed", "ok"],
  "task.failed": ["cross", "Task failed"],
  "task.archived": ["box", "Task archived"],
  "agent.registered": ["badge", "Agent registered"],
  "agent.started": ["play", "Agent started"],
  "agent.stopped": ["stop", "Agent stopped"],
  "agent.output": ["lines", "Agent output"],
  "agent.output_batch": ["lines", "Agent output"],
  "agent.error": ["warning", "Agent error"],
  "agent.requirement_analyzed": ["eye", "Requirement analysed"],
  "agent.business_context_ready": ["book", "Business context ready"],
  "agent.code_review_requested": ["question", "Code review requested"],
  "agent.qa_test_passed": ["check", "QA test passed", "ok"],
  "agent.qa_test_failed": ["cross", "QA test failed"],
  "agent.session_started": ["play", "Session started"],
  "agent.session_exited": ["stop", "Session exited"],
  "artifact.created": ["file", "Artifact created"],
  "artifact.github_pr_opened": ["branch", "Pull request opened"],
  "artifact.github_pr_merged": ["merge", "Pull request merged", "ok"],
  "permission.requested": ["question", "Permission requested"],
  "permission.responded": ["reply", "Permission answered"],
  "permission.approved": ["check", "Permission approved", "ok"],
  "permission.denied": ["cross", "Permission denied"],
  "permission.revoked": ["back", "Permission revoked", "warn"],
  "permission.expired": ["clock", "Permission expired"],
  "permission.cancelled": ["stop", "Permission cancelled"],
  "relay.up": ["up", "Relay up"],
  "relay.down": ["down", "Relay down", "warn"],
  "system.relay_connected": ["link", "Relay connected"],
  "system.relay_disconnected": ["unlink", "Relay disconnected", "warn"],
  "human.message": ["speech", "Message"],
};

/** The sign of a kind that the table does not have. */
const FAMILY_ICONS: Readonly<Record<Family, IconName>> = {
  task: "box",
  agent: "person",
  artifact: "file",
  permission: "question",
  relay: "link",
  system: "tool",
  human: "speech",
  other: "dot",
};

/** As the core and the server have it: see `EventRow.isFailure`. */
const FAILURE = /(?:failed|error|denied|expired)$/;

/** Looks kept, so that a row costs a look-up. A log has 10,000 kinds at most; a page that meets more than this starts anew. */
const KEPT_LOOKS = 1024;
const looks = new Map<string, KindLook>();

/** How a kind is shown, whether Todoki knows it or not. */
export function kindLook(kind: string): KindLook {
  const known = looks.get(kind);
  if (known) return known;
  if (looks.size >= KEPT_LOOKS) looks.clear();
  const look = lookOf(kind);
  looks.set(kind, look);
  return look;
}

/** The family of a kind: its part before the first dot, or `other` where that has no colour. */
export function familyOf(kind: string): Family {
  const dot = kind.indexOf(".");
  const first = dot < 0 ? kind : kind.slice(0, dot);
  return isFamily(first) ? first : "other";
}

/** Whether a name is that of a family with a colour. */
export function isFamily(name: string): name is Family {
  return (FAMILIES as readonly string[]).includes(name);
}

function lookOf(kind: string): KindLook {
  const family = familyOf(kind);
  const isFailure = FAILURE.test(kind);
  const [name, label, tone] = Object.hasOwn(KINDS, kind) ? (KINDS[kind] ?? []) : [];
  return {
    family,
    icon: createElement(KindIcon, { name: name ?? (isFailure ? "cross" : FAMILY_ICONS[family]) }),
    tone: isFailure ? "danger" : (tone ?? family),
    label: label ?? words(kind),
    isFailure,
  };
}

/** `billing.invoice_paid` → `Billing invoice paid`. */
function words(kind: string): string {
  const text = kind.replace(/[._-]+/g, " ").trim();
  return text === "" ? kind : text[0]!.toUpperCase() + text.slice(1);
}
