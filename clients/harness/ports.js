/** Servers of this process on free ports. */
import http from 'node:http';
import { once } from 'node:events';

/** @returns the port of the loopback interface on which `server` listens from now on */
export async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** Ends what is open. */
export async function unlisten(server) {
  server.closeAllConnections?.();
  server.close();
}

/** A plain server on a free port, until `stop`. */
export async function serve(handle) {
  const server = http.createServer(handle);
  const port = await listen(server);
  return { port, stop: () => unlisten(server) };
}
