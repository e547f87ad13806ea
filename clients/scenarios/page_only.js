/** What the SDK can do in a page alone, and what a page may see. */
import { content, same } from './content.js';
import { equal, ok } from './expect.js';
import { upload } from './uploads.js';

export const pageOnly = {
  async 'files and blobs are uploaded and come back as blobs'(world) {
    await world.signIn();
    const ref = world.mine('file.webm');
    const file = new File([content(600_000)], 'file.webm', { type: 'video/webm' });
    await upload(world, ref, file);
    const blob = await world.sdk.getBlob(ref);
    equal(blob.type, 'video/webm');
    same(await blob.arrayBuffer(), content(600_000));
    const begin = await world.sdk.getBlob(ref, 1000);
    same(await begin.arrayBuffer(), content(1000), 'its begin');
  },

  async 'a preflight is remembered'(world) {
    await world.signIn();
    const ref = world.mine('remembered.bin');
    await upload(world, ref, content(3 * 1024 * 1024));
    const [chunks, preflights] = [await world.control.requests(), await world.control.preflights()].map(
      (requests) => requests.filter(({ path }) => path.includes('upload_id')).length,
    );
    ok(chunks >= 4 && preflights <= 1, `${preflights} preflights for ${chunks} chunks`);
  },

  async 'a refusal is no failure of CORS'(world) {
    await world.signIn();
    const name = encodeURIComponent('user_uploads/somebody/x');
    const target = `${world.place.base}/v0/b/${world.mine().bucket}/o/${name}`;
    const headers = { Authorization: await world.bearer(), 'X-Firebase-Storage-Version': 'x' };
    const response = await fetch(target, { headers });
    equal(response.status, 403);
    equal(typeof (await response.json()).error.message, 'string');
  },
};
