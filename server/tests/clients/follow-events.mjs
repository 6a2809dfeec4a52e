// Follows a stream by EventSource from the beginning, with a ticket, and checks every cursor. When it is cut off it comes
// back with another ticket and goes on: an EventSource would only repeat the one that is used. Runs in browsers.

/** What was seen once there were so many events and the history was over, half of them by a second EventSource. */
export async function followEvents(api, token, events) {
  const seen = { events: 0, last: 0, types: [], epoch: undefined };
  const isHalf = () => seen.events >= events / 2;
  const isAll = () => seen.events >= events && seen.types.includes("replay_complete");
  for (const isEnough of [isHalf, isAll]) {
    const query = new URLSearchParams({ cursor: seen.last, ticket: await ticket(api, token) });
    await take(new EventSource(`${api}/api/event-bus/stream?${query}`), seen, isEnough);
  }
  return seen;
}

async function ticket(api, token) {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(`${api}/api/event-bus/tickets`, { method: "POST", headers });
  return (await response.json()).ticket;
}

/** Takes events until there are enough; fails on a hole, a repetition, or the end of the stream. */
function take(source, seen, isEnough) {
  return new Promise((resolve, reject) => {
    for (const type of ["subscribed", "ping", "gap", "replay_complete"]) {
      source.addEventListener(type, ({ data }) => {
        seen.types.push(type);
        const { epoch } = JSON.parse(data);
        seen.epoch ??= epoch;
      });
    }
    source.onmessage = ({ data, lastEventId }) => {
      const { type, cursor } = JSON.parse(data);
      if (type !== "event" || cursor !== seen.last + 1 || lastEventId !== `${seen.epoch}:${cursor}`) {
        reject(new Error(`${type} ${cursor} with id ${lastEventId} came behind ${seen.last}`));
      }
      seen.last = cursor;
      seen.events += 1;
      if (isEnough()) resolve();
    };
    source.onerror = ({ data }) => reject(new Error(`the stream failed: ${data}`));
  }).finally(() => source.close());
}
