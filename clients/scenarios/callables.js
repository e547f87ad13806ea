/** Callables through the SDK: values, errors, tokens, URLs. */
import { equal, eventually, ok, rejects, within } from './expect.js';
import { World } from './world.js';

const INT64 = 'type.googleapis.com/google.protobuf.Int64Value';
const UINT64 = 'type.googleapis.com/google.protobuf.UInt64Value';

/** Every code of an HttpsError, with the status that plain HTTP sees. */
const CODES = {
  cancelled: 499,
  unknown: 500,
  'invalid-argument': 400,
  'deadline-exceeded': 504,
  'not-found': 404,
  'already-exists': 409,
  'permission-denied': 403,
  'resource-exhausted': 429,
  'failed-precondition': 400,
  aborted: 409,
  'out-of-range': 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  'data-loss': 500,
  unauthenticated: 401,
};

export function callable(world, name, functions = world.functions) {
  return world.sdk.httpsCallable(functions, name);
}

async function call(world, name, input, functions) {
  const { data } = await within(callable(world, name, functions)(input), name);
  return data;
}

/** A world that sends tokens of another project. */
async function withForeignToken(world, run) {
  const foreign = new World(world.sdk, { ...world.place, key: 'another-project' }, world.control);
  try {
    await foreign.signIn();
    await run(foreign);
  } finally {
    await foreign.close();
  }
}

export const callables = {
  async 'values come back as they were sent'(world) {
    const values = [
      null,
      true,
      0,
      -1.5,
      1e300,
      '',
      'ü 🎛️ \u0000 "quoted" \\ \u2028',
      [],
      {},
      [1, [2, [3, { a: [null] }]]],
      { a: { b: { c: [1, 'two', { three: 3 }] } }, 'with space': false, ключ: 'значение' },
    ];
    for (const value of values) equal(await call(world, 'echo', value), value, JSON.stringify(value));
    equal(await call(world, 'echo'), null, 'nothing');
    const date = new Date('2026-11-24T01:02:03.004Z');
    equal(await call(world, 'echo', { date }), { date: date.toISOString() }, 'a date');
  },

  async 'long integers arrive as numbers'(world) {
    equal(await call(world, 'echo', { '@type': INT64, value: '-1234567890123' }), -1234567890123);
    equal(await call(world, 'echo', [{ '@type': UINT64, value: '1234567890123' }]), [1234567890123]);
  },

  async 'a value of an unknown type is refused'(world) {
    const refusal = await call(world, 'echo', { '@type': 'type.googleapis.com/unknown', value: 1 }).then(
      (value) => ({ value }),
      (error) => error,
    );
    ok(['functions/internal', 'functions/invalid-argument'].includes(refusal.code), JSON.stringify(refusal));
  },

  async 'every code arrives with its message and details'(world) {
    for (const [code, status] of Object.entries(CODES)) {
      const details = { for: code, list: [1, null, { ü: 'x' }] };
      const failing = call(world, 'fail', { code, message: `about ${code}`, details });
      const error = await rejects(failing, `functions/${code}`);
      ok(error.message.startsWith(`about ${code}`), error.message);
      equal(error.details, details, code);
      equal((await world.control.requests()).at(-1).status, status, code);
    }
  },

  async 'a crash says that it was one, and no more'(world) {
    const error = await rejects(call(world, 'crash'), 'functions/internal');
    ok(/^INTERNAL\b/.test(error.message), error.message);
    equal(error.details, undefined);
    equal(await call(world, 'echo', 'still here'), 'still here');
  },

  async 'a token of another project is refused'(world) {
    await withForeignToken(world, (foreign) => rejects(call(foreign, 'echo', 1), 'functions/unauthenticated'));
  },

  async 'who is signed in and who is not may call'(world) {
    equal(await call(world, 'echo', 1), 1);
    await world.signIn();
    equal(await call(world, 'echo', 1), 1);
    const [, { headers }] = await world.control.requests();
    ok(headers.authorization.startsWith('Bearer '), 'the SDK sends the token');
  },

  async 'an unknown function is not found'(world) {
    await rejects(call(world, 'missing', 1), 'functions/not-found');
  },

  async 'a base URL may end in a slash, and may have a path'(world) {
    const { sdk, place } = world;
    for (const path of ['/', '/conformance/us-central1', '/conformance/us-central1/']) {
      const base = `${place.functions}${path}`;
      equal(await call(world, 'echo', base, sdk.getFunctions(world.app, base)), base);
    }
    const byUrl = sdk.httpsCallableFromURL(world.functions, `${place.functions}/echo?x=1`);
    equal((await byUrl('by URL')).data, 'by URL');
  },

  async 'a path of its own leads to a function, whole and in pieces'(world) {
    const { sdk, place } = world;
    const rewritten = sdk.httpsCallable(sdk.getFunctions(world.app, `${place.functions}/api`), 'anything');
    equal((await rewritten('by a rewrite')).data, 'by a rewrite');
    const { data } = await rewritten.stream('by a rewrite');
    equal(await within(data, 'a stream by a rewrite'), 'by a rewrite');
  },

  async 'calls at the same time do not meet'(world) {
    const inputs = Array.from({ length: 50 }, (_, at) => ({ at }));
    equal(await Promise.all(inputs.map((input) => call(world, 'echo', input))), inputs);
  },
};

/** Reads a stream to its end. @returns its messages, and what `data` became */
async function streamed(world, name, input, options) {
  const { stream, data } = await callable(world, name).stream(input, options);
  const settled = data.then((value) => ({ value }), (error) => ({ error }));
  const messages = [];
  let broken;
  try {
    for await (const message of stream) messages.push(message);
  } catch (error) {
    broken = error;
  }
  return { messages, broken, ...(await within(settled, `the result of ${name}`)) };
}

async function breaks(world, name, input, code) {
  const { error, broken } = await streamed(world, name, input);
  equal([error?.code, broken?.code], [code, code], name);
  return error;
}

export const streams = {
  async 'pieces arrive in order, and then the result'(world) {
    const { messages, value, error } = await streamed(world, 'count', { to: 5 });
    equal([messages, error?.code], [[1, 2, 3, 4, 5], undefined]);
    equal(value, 5);
  },

  async 'a piece arrives before the answer has ended'(world) {
    const { stream, data } = await callable(world, 'count').stream({ to: 3 });
    const iterator = stream[Symbol.asyncIterator]();
    const first = await within(iterator.next(), 'the first piece');
    const request = (await world.control.requests()).at(-1);
    equal([first.value, request.status], [1, undefined], 'the first piece, and the end of the answer');
    while (!(await iterator.next()).done);
    await within(data, 'the result');
  },

  async 'a function that streams answers a plain call too'(world) {
    equal(await call(world, 'count', { to: 3 }), 3);
  },

  async 'a function that does not stream answers a streaming call too'(world) {
    const { messages, value } = await streamed(world, 'echo', { a: 1 });
    equal([messages, value], [[], { a: 1 }]);
  },

  async 'an error rejects the result and breaks the stream'(world) {
    const details = { a: [1] };
    const input = { code: 'out-of-range', message: 'too far', details };
    const error = await breaks(world, 'fail', input, 'functions/out-of-range');
    equal(error.details, details);
    ok(error.message.startsWith('too far'), error.message);
  },

  async 'a crash rejects the result'(world) {
    await breaks(world, 'crash', null, 'functions/internal');
  },

  async 'a function that takes too long rejects the result'(world) {
    const { messages, error, broken } = await streamed(world, 'count', { to: 1_000_000 });
    equal([error?.code, broken?.code], ['functions/deadline-exceeded', 'functions/deadline-exceeded']);
    equal(messages.slice(0, 2), [1, 2], 'what came before');
  },

  async 'an unknown function rejects the result'(world) {
    await breaks(world, 'missing', null, 'functions/not-found');
  },

  async 'a token of another project rejects the result'(world) {
    await withForeignToken(world, (foreign) => breaks(foreign, 'echo', 1, 'functions/unauthenticated'));
  },

  async 'whoever aborts is told so, and the server stops'(world) {
    const abort = new AbortController();
    const { stream, data } = await callable(world, 'count').stream({ to: 1_000_000 }, { signal: abort.signal });
    const outcome = rejects(data, 'functions/cancelled');
    const read = (async () => {
      for await (const message of stream) if (message === 2) abort.abort();
    })();
    await read.catch(() => {});
    await outcome;
    const stopped = async () => (await world.control.inFlight('count')) === 0;
    await eventually(stopped, 'the function stops counting');
  },
};
