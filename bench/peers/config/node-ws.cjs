// ws on node: one process, as one event loop has all clients; no compression, each event a send to each client, as its
// documentation broadcasts. A client that does not read is buffered without a limit.
const { createServer } = require("node:http");
const { WebSocketServer } = require("ws");

const server = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    for (const line of Buffer.concat(pieces).toString().split("\n")) {
      if (!line) continue;
      const event = Buffer.from(line);
      for (const client of sockets.clients) client.send(event, { binary: false });
    }
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 0;
const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: true });
server.listen({port}, "127.0.0.1", 4096);
