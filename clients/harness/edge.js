/**
 * The platform's edge in front of a server: ends TLS and HTTP/2, says for whom it asks, answers 502 when nobody
 * listens, and keeps a journal. On demand it fails, as networks and servers do.
 */
import http from 'node:http';
import http2 from 'node:http2';

import { listen, unlisten } from './ports.js';

/** Headers between two neighbours, and HTTP/2's own. */
const NOT_PASSED_ON = /^(:.*|connection|keep-alive|transfer-encoding|upgrade|host|http2-settings)$/;

/**
 * @typedef {object} Fault what goes wrong, once unless `times` says more
 * @property {'refuse'|'swallow'|'cut'|'hangup'} how
 *   `refuse`: the request does not reach the server; `swallow`: it does, the answer does not come back; both end in
 *   `status`. `cut`: the server gets `keep` bytes of the body, then its connection ends; also `status`.
 *   `hangup`: the answer is swallowed and the client's connection ends.
 * @property {string} [command] the request's `X-Goog-Upload-Command`
 * @property {string} [path] what its path begins with
 * @property {number} [skip] how many such requests are let through first
 * @property {number} [times]
 * @property {number} [status] 503 unless given
 * @property {number} [keep]
 * @property {boolean} [readable] whether a page may read the status, as it cannot when an edge makes the answer
 */

export class Edge {
  #ports;
  #server;
  #faults = [];
  /** Every request but preflights, in order: `{ method, path, headers, bytes, status }`. */
  journal = [];
  /** The preflights. */
  preflights = [];
  port = 0;

  /** @param ports says on which port of this machine the server listens now */
  constructor(ports) {
    this.#ports = ports;
  }

  /** @param identity `{ key, cert }` for TLS; plain HTTP/1.1 without */
  static async start(ports, identity) {
    const edge = new Edge(ports);
    const handle = (request, response) => edge.#handle(request, response, identity ? 'https' : 'http');
    edge.#server = identity
      ? http2.createSecureServer({ ...identity, allowHTTP1: true }, handle)
      : http.createServer(handle);
    edge.port = await listen(edge.#server);
    return edge;
  }

  async stop() {
    await unlisten(this.#server);
  }

  /** @param {Fault} fault */
  fail(fault) {
    this.#faults.push({ skip: 0, times: 1, status: 503, keep: 0, readable: true, ...fault });
  }

  /** Forgets what was asked and what should still fail. */
  reset() {
    this.journal.length = 0;
    this.preflights.length = 0;
    this.#faults.length = 0;
  }

  #handle(request, response, scheme) {
    const { method, url: path, headers } = request;
    const entry = { method, path, headers: { ...headers }, bytes: 0 };
    (method === 'OPTIONS' ? this.preflights : this.journal).push(entry);
    request.on('data', (piece) => (entry.bytes += piece.length));
    // Neither side learns more from an error of the other than that the connection ended.
    request.on('error', () => {});
    response.on('error', () => {});
    response.on('finish', () => (entry.status = response.statusCode));
    const fault = method === 'OPTIONS' ? undefined : this.#fault(entry);
    if (fault?.how === 'refuse') {
      whenRead(request, () => fabricate(request, response, fault));
    } else {
      this.#forward(request, response, scheme, fault);
    }
  }

  #fault({ path, headers }) {
    const matches = ({ command, path: start = '' }) =>
      path.startsWith(start) && (command === undefined || command === headers['x-goog-upload-command']);
    const fault = this.#faults.find((fault) => fault.times > 0 && matches(fault));
    if (!fault) return undefined;
    if (fault.skip > 0) {
      fault.skip -= 1;
      return undefined;
    }
    fault.times -= 1;
    return fault;
  }

  #forward(request, response, scheme, fault) {
    const { method, url: path, headers, socket } = request;
    const upstream = http.request({
      host: '127.0.0.1',
      port: this.#ports(),
      agent: false,
      method,
      path,
      headers: {
        ...passedOn(headers),
        host: headers[':authority'] ?? headers.host,
        'x-forwarded-for': [headers['x-forwarded-for'], socket.remoteAddress].filter(Boolean).join(', '),
        'x-forwarded-proto': scheme,
      },
    });
    upstream.on('response', (answer) => {
      if (fault) {
        const end = () => (fault.how === 'hangup' ? hangUp(response) : fabricate(request, response, fault));
        answer.on('end', end).resume();
      } else {
        response.writeHead(answer.statusCode, passedOn(answer.headers));
        answer.on('error', () => hangUp(response));
        answer.pipe(response);
      }
    });
    upstream.on('error', () => {
      const cut = fault?.how === 'cut';
      if (response.headersSent) hangUp(response);
      else whenRead(request, () => fabricate(request, response, cut ? fault : { status: 502 }));
    });
    // A client that leaves takes its request along.
    response.on('close', () => upstream.destroy());
    if (fault?.how === 'cut') cutAfter(fault.keep, request, upstream);
    else request.pipe(upstream);
  }
}

function passedOn(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_PASSED_ON.test(name)));
}

/** An answer that no server made. */
function fabricate(request, response, { status, readable = false }) {
  const origin = readable ? request.headers.origin : undefined;
  response.writeHead(status, origin ? { 'access-control-allow-origin': origin } : {});
  response.end('from the edge');
}

/** A client that is answered while it still sends may not see the answer. */
function whenRead(request, answer) {
  if (request.readableEnded) answer();
  else request.on('end', answer).resume();
}

function hangUp(response) {
  (response.stream ?? response.socket)?.destroy();
}

/** Passes `keep` bytes on, waits until they have left, and ends the connection; the client is read to its end. */
function cutAfter(keep, request, upstream) {
  let left = keep;
  request.on('data', (piece) => {
    if (left <= 0) return;
    const part = piece.subarray(0, left);
    left -= part.length;
    upstream.write(part, () => {
      if (left <= 0) upstream.destroy(new Error('cut'));
    });
  });
}
