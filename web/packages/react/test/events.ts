/** Events as servers write them. */

const DAY = Date.parse("2026-02-27T10:30:00Z");

export const uuid = (n: number): string => `018f3c2e-7b1a-7c3d-9e4f-${n.toString(16).padStart(12, "0")}`;

export interface Parts {
  kind?: string;
  time?: number;
  agent?: number;
  session?: number;
  task?: number;
  project?: number;
  data?: string;
}

/** The text of an event. */
export function eventText(cursor: number, parts: Parts = {}): string {
  const {
    kind = "task.created",
    time = DAY + cursor,
    agent = 1,
    session,
    task,
    project,
    data = `{"n":${cursor}}`,
  } = parts;
  const id = (n: number | undefined) => (n === undefined ? "null" : `"${uuid(n)}"`);
  const stamp = new Date(time).toISOString().replace("Z", "000Z");
  return `{"type":"event","cursor":${cursor},"kind":"${kind}","time":"${stamp}","agent_id":${id(agent)},"session_id":${id(session)},"task_id":${id(task)}${project === undefined ? "" : `,"project_id":${id(project)}`},"data":${data}}`;
}
