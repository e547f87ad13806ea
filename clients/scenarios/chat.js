/** The chat as a callable, by a rewrite, and for the window that sends no token. */
import { equal, ok, rejects, within } from './expect.js';
import { askFromChatWindow } from './holograms.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const chat = {
  async 'the SDK calls it'(world) {
    await world.signIn();
    const chat = world.sdk.httpsCallable(world.functions, 'tria_chat');
    equal((await chat({ text: 'ping' })).data, { response: 'pong' });
    const { session_id } = (await chat({ text: 'ping', session_id: 'new' })).data;
    ok(UUID.test(session_id), `a session begins: ${session_id}`);
    await rejects(chat({ text: '' }), 'functions/invalid-argument');
    await world.sdk.signOut(world.auth);
    await rejects(chat({ text: 'ping' }), 'functions/unauthenticated');
  },

  async 'the SDK reads the answer while it is made'(world) {
    await world.signIn();
    const { stream, data } = await world.sdk.httpsCallable(world.functions, 'tria_chat').stream({ text: 'ping' });
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    equal(pieces, ['po', 'ng']);
    equal(await within(data, 'the result'), { response: 'pong' });
  },

  async 'without a token the stream is refused, and does not hang'(world) {
    const { stream, data } = await world.sdk.httpsCallable(world.functions, 'tria_chat').stream({ text: 'ping' });
    const reading = (async () => {
      for await (const piece of stream) throw new Error(`it says ${piece}`);
    })();
    await rejects(data, 'functions/unauthenticated');
    await rejects(reading, 'functions/unauthenticated');
  },

  async 'a path of its own leads to it'(world) {
    await world.signIn();
    const headers = { Authorization: await world.bearer(), 'Content-Type': 'application/json' };
    const body = JSON.stringify({ text: 'ping' });
    const response = await fetch(`${world.place.base}/api/chat`, { method: 'POST', headers, body });
    equal([response.status, await response.json()], [200, { response: 'pong' }]);
  },
};

/** Under `legacy_anonymous_chat = true`. */
export const anonymousChat = {
  async 'the chat window is served by the URL that it knows'(world) {
    equal(await askFromChatWindow(world.place.former, 'ping', 'whoever'), 'pong');
  },
};
