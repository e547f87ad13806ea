/** Who may do what: a user to the objects below `user_uploads/{uid}`, nobody else to anything. */
import { content } from './content.js';
import { equal, ok, rejects } from './expect.js';

/** Every operation on the object, and on the folder it is in. */
function operations({ sdk }, ref) {
  return {
    uploadBytes: () => sdk.uploadBytes(ref, content(10)),
    uploadBytesResumable: () => Promise.resolve(sdk.uploadBytesResumable(ref, content(300 * 1024))),
    getMetadata: () => sdk.getMetadata(ref),
    getDownloadURL: () => sdk.getDownloadURL(ref),
    getBytes: () => sdk.getBytes(ref),
    updateMetadata: () => sdk.updateMetadata(ref, { contentType: 'text/html' }),
    deleteObject: () => sdk.deleteObject(ref),
    list: () => sdk.list(ref.parent),
  };
}

async function allRejected(world, ref, code) {
  for (const [name, operation] of Object.entries(operations(world, ref))) {
    await rejects(operation(), code).catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
}

export const access = {
  async 'nobody touches what another user keeps, whether or not it exists'(world) {
    await world.signIn();
    const theirs = world.mine('private.bin');
    await world.sdk.uploadBytes(theirs, content(10));
    const missing = world.mine('missing.bin');
    await world.signIn();
    await allRejected(world, theirs, 'storage/unauthorized');
    await allRejected(world, missing, 'storage/unauthorized');
  },

  async 'who is not signed in touches nothing'(world) {
    await world.signIn();
    const ref = world.mine('private.bin');
    await world.sdk.uploadBytes(ref, content(10));
    await world.sdk.signOut(world.auth);
    await allRejected(world, ref, 'storage/unauthenticated');
  },

  async 'outside of the folders of users there is nothing to have'(world) {
    await world.signIn();
    await allRejected(world, world.sdk.ref(world.storage, 'elsewhere/file.bin'), 'storage/unauthorized');
    await rejects(world.sdk.list(world.sdk.ref(world.storage)), 'storage/unauthorized');
  },

  async 'a bucket that is not there is refused'(world) {
    await world.signIn();
    const ref = world.sdk.ref(world.bucket('gs://another-bucket'), `user_uploads/${world.auth.currentUser.uid}/x.bin`);
    const error = await world.sdk.getMetadata(ref).then(() => undefined, (error) => error);
    ok(['storage/object-not-found', 'storage/unauthorized'].includes(error?.code), `refused, got ${error?.code}`);
  },

  async 'the SDK renews a token before it ends, and a signed-in user stays one'(world) {
    await world.control.lifetime(20);
    const before = await world.control.refreshes();
    await world.signIn();
    await world.sdk.uploadBytes(world.mine('renewed.bin'), content(10));
    equal(await world.control.refreshes(), before + 1, 'refreshes');
  },
};
