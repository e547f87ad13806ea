/** What a developer does with `router dev`: the SDK's emulator knobs, and a user made up on the spot. */
import { content, same } from './content.js';
import { equal, rejects } from './expect.js';
import { syncUserAuth } from './holograms.js';
import { upload } from './uploads.js';

export const local = {
  async 'a user is made up by the emulator knob of Storage'(world) {
    const { sdk, app, place } = world;
    const storage = sdk.getStorage(app, `gs://${place.project}.firebasestorage.app`);
    const { host, port } = place.storage;
    sdk.connectStorageEmulator(storage, host, port, { mockUserToken: { sub: 'alice' } });
    const ref = sdk.ref(storage, 'user_uploads/alice/a.bin');
    await upload(world, ref, content(300_000));
    same(await sdk.getBytes(ref), content(300_000));
    await rejects(sdk.getBytes(sdk.ref(storage, 'user_uploads/bob/a.bin')), 'storage/unauthorized');
  },

  async 'callables are found where the emulator has them'(world) {
    const { sdk, app, place } = world;
    const functions = sdk.getFunctions(app, 'europe-west1');
    sdk.connectFunctionsEmulator(functions, place.storage.host, place.storage.port);
    await rejects(sdk.httpsCallable(functions, 'tria_chat')({ text: 'ping' }), 'functions/unauthenticated');
    await world.signIn();
    const { data } = await sdk.httpsCallable(functions, 'tria_chat')({ text: 'ping' });
    equal(data, { response: 'pong' });
  },

  async 'a signed token is one here too'(world) {
    const uid = await world.signIn();
    const token = await world.auth.currentUser.getIdToken();
    equal((await syncUserAuth(world.place.base, token)).user_id, uid);
  },
};
