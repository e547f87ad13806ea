/** Folders with many objects. */
import { equal, within } from './expect.js';

const OBJECTS = 2500;
const AT_ONCE = 32;

/** Creates empty objects by the protocol's shortest way, which is not the SDK's. */
async function fill(world, prefix) {
  const headers = { authorization: await world.bearer(), 'content-type': 'application/octet-stream' };
  const objects = `${world.place.base}/v0/b/${world.mine().bucket}/o`;
  let next = 0;
  const one = async () => {
    while (next < OBJECTS) {
      const name = encodeURIComponent(`${prefix}/${String(next++).padStart(5, '0')}.bin`);
      const response = await fetch(`${objects}?name=${name}`, { method: 'POST', headers, body: '' });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

export const crowds = {
  async 'a list of 2,500 objects is complete, in order and without repetition'(world) {
    await world.signIn();
    const folder = world.mine('many');
    await fill(world, folder.fullPath);
    const { items, prefixes } = await within(world.sdk.listAll(folder), 'listAll');
    equal(
      items.map(({ name }) => name),
      Array.from({ length: OBJECTS }, (_, at) => `${String(at).padStart(5, '0')}.bin`),
    );
    equal(prefixes, []);
    const above = await world.sdk.list(world.mine(), { maxResults: 10 });
    equal([above.prefixes.map(({ name }) => name), above.nextPageToken], [['many'], undefined], 'the folder above');
  },
};
