/** What the SDK can do in Node alone. */
import { buffer } from 'node:stream/consumers';

import { content, same } from './content.js';
import { within } from './expect.js';

export const nodeOnly = {
  async 'a download is a stream'(world) {
    await world.signIn();
    const ref = world.mine('streamed.bin');
    await world.sdk.uploadBytes(ref, content(200_000));
    same(await within(buffer(world.sdk.getStream(ref)), 'a stream'), content(200_000), 'all');
    same(await within(buffer(world.sdk.getStream(ref, 1000)), 'a stream'), content(1000), 'its begin');
  },
};
