/** Apps for which App Check vouches, or does not. */
import { content, same } from './content.js';
import { equal, rejects } from './expect.js';
import { upload } from './uploads.js';

/** The form of a token, which the SDK looks at, and nothing that vouches. */
const UNSIGNED = 'e30.e30.e30';

/** Has the SDK send what `getToken` gives. */
function vouch(world, getToken) {
  const { initializeAppCheck, CustomProvider } = world.sdk;
  const expireTimeMillis = Date.now() + 3_600_000;
  const provider = new CustomProvider({ getToken: async () => ({ token: await getToken(), expireTimeMillis }) });
  initializeAppCheck(world.app, { provider, isTokenAutoRefreshEnabled: false });
}

const echo = (world) => world.sdk.httpsCallable(world.functions, 'echo')(1);

/** Where nobody asks for it. */
export const apps = {
  async 'what App Check says is passed over where it is not demanded'(world) {
    vouch(world, () => UNSIGNED);
    await world.signIn();
    const ref = world.mine('checked.bin');
    await upload(world, ref, content(300_000));
    same(await world.sdk.getBytes(ref), content(300_000));
    const { data } = await world.sdk.httpsCallable(world.functions, 'tria_chat')({ text: 'ping' });
    equal(data, { response: 'pong' });
    const sent = (await world.control.requests()).filter(({ headers }) => headers['x-firebase-appcheck']);
    equal(sent.length >= 4, true, 'the SDK says it');
  },
};

/** Where `echo` has `app_check = "required"`. */
export const demandedApps = {
  async 'an app that says nothing is refused'(world) {
    await rejects(echo(world), 'functions/unauthenticated');
  },

  async 'an app that says anything is refused, in a stream too'(world) {
    vouch(world, () => UNSIGNED);
    await rejects(echo(world), 'functions/unauthenticated');
    const { data } = await world.sdk.httpsCallable(world.functions, 'echo').stream(1);
    await rejects(data, 'functions/unauthenticated');
  },

  async 'an app that is vouched for is served'(world) {
    vouch(world, () => world.control.vouched(world.place.project));
    equal((await echo(world)).data, 1);
  },
};
