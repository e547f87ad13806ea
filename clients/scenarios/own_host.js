/** What matters when the server has a name of its own and speaks TLS behind an edge. */
import { content, same } from './content.js';
import { equal, ok } from './expect.js';
import { upload } from './uploads.js';

export const ownHost = {
  async 'download URLs and upload URLs carry the name and the scheme that clients use'(world) {
    await world.signIn();
    const { sdk } = world;
    const ref = world.mine('named.bin');
    await upload(world, ref, content(300_000));
    const requests = await world.control.requests();
    const chunk = requests.find(({ headers }) => headers['x-goog-upload-command'] === 'upload');
    ok(chunk, 'the chunk was sent to the URL that the start gave');
    const origin = new URL(world.place.base).origin;
    const url = await sdk.getDownloadURL(ref);
    equal(new URL(url).origin, origin, 'origin of the download URL');
    same(await (await fetch(url)).arrayBuffer(), content(300_000));
    equal(sdk.ref(world.storage, url).fullPath, ref.fullPath, 'a reference by the URL');
  },
};
