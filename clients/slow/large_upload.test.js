/** A gigabyte through the SDK, and what it costs the server. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { content } from '../scenarios/content.js';
import { World } from '../scenarios/world.js';
import { VERSIONS, load } from '../harness/sdk.js';
import { Stage } from '../harness/stage.js';

const GIB = 1024 ** 3;
/** What the server may hold beyond what it held before. */
const HEADROOM = 64 * 1024 ** 2;
const roomy = (manifest) => manifest.replace(/quota_per_user\s*=.*/, 'quota_per_user = "4GiB"');

let stage;
before(async () => (stage = await Stage.set({ edit: roomy })));
after(() => stage?.strike());

test('a gigabyte is uploaded and downloaded in constant memory', async (t) => {
  const world = new World(await load(VERSIONS.at(-1)), stage.place('holograms-media'), stage.control);
  await world.signIn();
  const small = world.mine('small.bin');
  await world.sdk.uploadBytesResumable(small, content(3 * 1024 * 1024));
  const { most: before } = await stage.router.memory();

  const bytes = content(GIB);
  const ref = world.mine('large.bin');
  await world.sdk.uploadBytesResumable(ref, bytes);
  const uploaded = (await stage.router.memory()).most;
  const { size, md5Hash } = await world.sdk.getMetadata(ref);
  assert.deepEqual({ size, md5Hash }, { size: GIB, md5Hash: createHash('md5').update(bytes).digest('base64') });

  const hash = createHash('md5');
  for await (const piece of world.sdk.getStream(ref)) hash.update(piece);
  assert.equal(hash.digest('base64'), md5Hash);
  const { most } = await stage.router.memory();

  const grown = (to) => `${Math.round((to - before) / 1024 ** 2)} MiB`;
  t.diagnostic(`resident memory grew by ${grown(uploaded)} in the upload, by ${grown(most)} in all`);
  assert.ok(most - before < HEADROOM, `resident memory grew by ${grown(most)}`);
  await world.close();
});
