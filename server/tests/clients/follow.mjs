// Follows two subscriptions, one live and one from the beginning, and checks every cursor. Runs in browsers and in Node:
// `open` makes a WebSocket.

/** What was seen once the live subscription had so many events and the other had reached the last of them. */
export async function follow(open, liveUrl, wholeUrl, events) {
  const whole = watch(open(wholeUrl));
  const live = watch(open(liveUrl));
  const { bytes, last } = await live.until((seen) => seen.events >= events);
  const { extensions, protocol } = live.socket;
  live.socket.close();
  const { events: wholeEvents } = await whole.until((seen) => seen.last >= last);
  whole.socket.close();
  return { extensions, protocol, liveBytes: bytes, wholeEvents };
}

/** Reads for as long as somebody waits; fails on a hole, a repetition, or the end of the stream. */
function watch(socket) {
  const seen = { events: 0, bytes: 0, last: undefined };
  let isEnough = () => false;
  const { promise, resolve, reject } = withResolvers();
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    seen.bytes += new TextEncoder().encode(data).length;
    if (message.type === "subscribed") seen.last = message.cursor;
    if (message.type === "event") {
      if (message.cursor !== seen.last + 1) reject(new Error(`${message.cursor} came behind ${seen.last}`));
      seen.last = message.cursor;
      seen.events += 1;
    }
    if (isEnough(seen)) resolve({ ...seen });
  };
  socket.onclose = ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`));
  socket.onerror = () => reject(new Error("the connection failed"));
  return {
    socket,
    until(condition) {
      isEnough = condition;
      if (isEnough(seen)) resolve({ ...seen });
      return promise;
    },
  };
}

// Promise.withResolvers, which Node 20 lacks.
function withResolvers() {
  const resolvers = {};
  const promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return { promise, ...resolvers };
}
