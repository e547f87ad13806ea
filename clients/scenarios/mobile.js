/** Uploads as the SDKs for Android and iOS send them, by their sources; both always send in chunks. */
import { content, same } from './content.js';
import { equal, ok } from './expect.js';

const CHUNK = 256 * 1024;
const LENGTH = 3 * CHUNK + 1000;

/** An upload in chunks; every request has the method and headers that its SDK sends. */
class Session {
  #url;
  #method;
  #headers;

  static async start(url, { method, headers }, startHeaders, description) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...startHeaders, 'X-Goog-Upload-Protocol': 'resumable', 'X-Goog-Upload-Command': 'start' },
      body: JSON.stringify(description),
    });
    equal([response.status, response.headers.get('x-goog-upload-status')], [200, 'active'], 'start');
    const session = new Session();
    session.#url = response.headers.get('x-goog-upload-url');
    session.#method = method;
    session.#headers = headers;
    session.granularity = Number(response.headers.get('x-goog-upload-chunk-granularity'));
    return session;
  }

  /** @returns the status of the answer, of the upload, and the bytes received so far */
  async say(command, offset = undefined, body = undefined) {
    const headers = { ...this.#headers, 'X-Goog-Upload-Command': command };
    if (offset !== undefined) headers['X-Goog-Upload-Offset'] = String(offset);
    const response = await fetch(this.#url, { method: this.#method, headers, body });
    this.description = await response.text();
    return [
      response.status,
      response.headers.get('x-goog-upload-status'),
      Number(response.headers.get('x-goog-upload-size-received')),
    ];
  }
}

function objects(world) {
  return `${world.place.base}/v0/b/${world.mine().bucket}/o`;
}

/** The word that Storage has for a token. */
async function firebase(world) {
  return (await world.bearer()).replace('Bearer', 'Firebase');
}

async function android(world, path, size) {
  const name = encodeURIComponent(world.mine(path).fullPath);
  const headers = { Authorization: await firebase(world), 'x-firebase-gmpid': '1:1:android:1' };
  const type = { 'X-Goog-Upload-Header-Content-Type': 'video/webm', 'Content-Type': 'application/json' };
  const length = size === undefined ? {} : { 'X-Goog-Upload-Header-Content-Length': String(size) };
  const url = `${objects(world)}?name=${name}&uploadType=resumable`;
  const startHeaders = { ...headers, ...type, ...length };
  return Session.start(url, { method: 'POST', headers }, startHeaders, { contentType: 'video/webm' });
}

async function ios(world, path, size) {
  const name = encodeURIComponent(world.mine(path).fullPath);
  const headers = { 'X-Goog-Upload-Protocol': 'resumable', 'X-Goog-Upload-Content-Length': String(size) };
  const startHeaders = {
    ...headers,
    Authorization: await firebase(world),
    'Content-Type': 'application/json; charset=UTF-8',
    'X-Goog-Upload-Content-Type': 'video/webm',
  };
  const url = `${objects(world)}/${name}?uploadType=resumable&name=${name}`;
  return Session.start(url, { method: 'PUT', headers }, startHeaders, { contentType: 'video/webm' });
}

async function stored(world, path, bytes) {
  const ref = world.mine(path);
  const { contentType, size } = await world.sdk.getMetadata(ref);
  equal([contentType, size], ['video/webm', bytes.length], path);
  same(await world.sdk.getBytes(ref), bytes, path);
}

export const mobile = {
  async 'Android sends a stream of unknown length'(world) {
    await world.signIn();
    const bytes = content(LENGTH);
    const session = await android(world, 'stream.webm');
    for (let at = 0; at < 3 * CHUNK; at += CHUNK) {
      const [status, state] = await session.say('upload', at, bytes.subarray(at, at + CHUNK));
      equal([status, state], [200, 'active'], `chunk at ${at}`);
    }
    equal((await session.say('upload, finalize', 3 * CHUNK, bytes.subarray(3 * CHUNK))).slice(0, 2), [200, 'final']);
    ok(JSON.parse(session.description).name.endsWith('/stream.webm'), 'the description');
    await stored(world, 'stream.webm', bytes);
  },

  async 'Android ends an empty file without a chunk'(world) {
    await world.signIn();
    const session = await android(world, 'empty.webm', 0);
    equal((await session.say('finalize', 0, '')).slice(0, 2), [200, 'final']);
    await stored(world, 'empty.webm', content(0));
  },

  async 'Android changes metadata by PUT'(world) {
    await world.signIn();
    const ref = world.mine('changed.webm');
    await world.sdk.uploadBytes(ref, content(10));
    const response = await fetch(`${objects(world)}/${encodeURIComponent(ref.fullPath)}`, {
      method: 'PUT',
      headers: {
        Authorization: await world.bearer(),
        'Content-Type': 'application/json',
        'X-HTTP-Method-Override': 'PATCH',
      },
      body: JSON.stringify({ contentLanguage: 'de' }),
    });
    equal([response.status, (await response.json()).contentLanguage], [200, 'de']);
    equal((await world.sdk.getMetadata(ref)).contentLanguage, 'de');
  },

  async 'iOS sends a file by PUT, and no token with it'(world) {
    await world.signIn();
    const bytes = content(LENGTH, 2);
    const session = await ios(world, 'file.webm', LENGTH);
    equal((await session.say('upload, finalize', 0, bytes)).slice(0, 2), [200, 'final']);
    await stored(world, 'file.webm', bytes);
  },

  async 'iOS goes on from the border of a chunk, and overlaps'(world) {
    await world.signIn();
    const bytes = content(LENGTH, 3);
    const session = await ios(world, 'resumed.webm', LENGTH);
    equal(session.granularity, CHUNK, 'granularity');
    await session.say('upload', 0, bytes.subarray(0, 2 * CHUNK));
    equal(await session.say('query'), [200, 'active', 2 * CHUNK], 'query');
    // As after an answer that was lost: from an offset that the server has passed.
    await session.say('upload', CHUNK, bytes.subarray(CHUNK, 3 * CHUNK));
    equal(await session.say('query'), [200, 'active', 3 * CHUNK], 'query');
    const [status, state, received] = await session.say('upload', 3 * CHUNK + 500, bytes.subarray(3 * CHUNK + 500));
    ok(status >= 400 && status < 500, `a gap is refused: ${status}`);
    equal([state, received], ['active', 3 * CHUNK], 'after a gap');
    equal((await session.say('upload, finalize', 3 * CHUNK, bytes.subarray(3 * CHUNK))).slice(0, 2), [200, 'final']);
    equal((await session.say('query')).slice(0, 2), [200, 'final'], 'query of what has ended');
    await stored(world, 'resumed.webm', bytes);
  },

  async 'a cancelled upload stays cancelled'(world) {
    await world.signIn();
    const session = await ios(world, 'cancelled.webm', LENGTH);
    await session.say('upload', 0, content(CHUNK));
    equal((await session.say('cancel'))[0], 200, 'cancel');
    equal((await session.say('cancel'))[0], 200, 'cancel again');
    equal((await session.say('query'))[1], 'cancelled', 'query');
    equal((await session.say('upload, finalize', CHUNK, content(10)))[0], 400, 'upload');
  },
};
