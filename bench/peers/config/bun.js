// uWebSockets, as Bun brings it: the server's own publish and subscribe, no compression, nothing done for each client.
// A client that does not read is buffered up to Bun's default of 16 MiB, and silently loses what comes after.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: {port},
  idleTimeout: 0,
  async fetch(request, server) {
    if (request.method === "POST") {
      for (const line of (await request.text()).split("\n")) {
        if (line) server.publish("events", line);
      }
      return new Response(null, { status: 204 });
    }
    if (server.upgrade(request)) return;
    return new Response(null, { status: 400 });
  },
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    sendPings: false,
    open(socket) {
      socket.subscribe("events");
    },
    message() {},
  },
});
