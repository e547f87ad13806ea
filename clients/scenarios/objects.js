/** Downloads, metadata, lists, deletion. */
import { content, same } from './content.js';
import { equal, ok, rejects } from './expect.js';

async function put(world, path, length = 10, metadata = {}) {
  const ref = world.mine(path);
  await world.sdk.uploadBytes(ref, content(length), metadata);
  return ref;
}

const names = (references) => references.map(({ name }) => name);

export const objects = {
  async 'a download URL needs no token of the caller'(world) {
    await world.signIn();
    const ref = await put(world, 'a b/ü+%/shared.webm', 1000, { contentType: 'video/webm' });
    const url = await world.sdk.getDownloadURL(ref);
    const response = await fetch(url);
    equal([response.status, response.headers.get('content-type')], [200, 'video/webm']);
    same(await response.arrayBuffer(), content(1000));
    equal(await world.sdk.getDownloadURL(ref), url, 'it stays the same');
    // A reference can be made of the URL again.
    equal(world.sdk.ref(world.storage, url).fullPath, ref.fullPath, 'its reference');
    const forged = new URL(url);
    forged.searchParams.set('token', '00000000-0000-4000-8000-000000000000');
    equal((await fetch(forged)).status, 403, 'with another token');
    forged.searchParams.delete('token');
    equal((await fetch(forged)).status, 401, 'without a token');
  },

  async 'a range of a download is part of it'(world) {
    await world.signIn();
    const url = await world.sdk.getDownloadURL(await put(world, 'ranges.bin', 1000));
    const ask = async (range) => {
      const response = await fetch(url, { headers: { range } });
      return [response.status, response.headers.get('content-range'), new Uint8Array(await response.arrayBuffer())];
    };
    for (const [range, first, last] of [['bytes=0-9', 0, 9], ['bytes=500-', 500, 999], ['bytes=-10', 990, 999]]) {
      const [status, contentRange, body] = await ask(range);
      equal([status, contentRange], [206, `bytes ${first}-${last}/1000`], range);
      same(body, content(1000).subarray(first, last + 1), range);
    }
    equal((await ask('bytes=1000-')).slice(0, 2), [416, 'bytes */1000'], 'past the end');
  },

  async 'a download ends where it may'(world) {
    await world.signIn();
    const ref = await put(world, 'limited.bin', 1000);
    same(await world.sdk.getBytes(ref, 100), content(1000).subarray(0, 100), 'less than there is');
    same(await world.sdk.getBytes(ref, 5000), content(1000), 'more than there is');
    const empty = await put(world, 'empty.bin', 0);
    same(await world.sdk.getBytes(empty), content(0), 'nothing');
  },

  async 'metadata is set, merged, kept and taken away'(world) {
    await world.signIn();
    const { sdk } = world;
    const customMetadata = { a: '1', b: '2' };
    const ref = await put(world, 'described.bin', 10, { contentType: 'text/plain', customMetadata });
    const before = await sdk.getMetadata(ref);

    const set = await sdk.updateMetadata(ref, { contentLanguage: 'ru', customMetadata: { b: '3', c: '4' } });
    equal([set.contentLanguage, set.contentType], ['ru', 'text/plain'], 'set and kept');
    equal(set.customMetadata, { a: '1', b: '3', c: '4' }, 'merged');
    equal([set.generation, set.metageneration], [before.generation, '2'], 'generations');
    ok(set.updated >= before.updated, 'a later time');

    const one = await sdk.updateMetadata(ref, { contentLanguage: null, customMetadata: { a: null } });
    equal([one.contentLanguage, one.customMetadata], [undefined, { b: '3', c: '4' }], 'one taken away');
    const none = await sdk.updateMetadata(ref, { customMetadata: null });
    equal([none.customMetadata, none.metageneration], [undefined, '4'], 'all taken away');
    const read = await sdk.getMetadata(ref);
    equal([read.metageneration, read.customMetadata, read.contentType], ['4', undefined, 'text/plain'], 'as read');
    same(await sdk.getBytes(ref), content(10));
  },

  async 'a list names what is in a folder, and its folders'(world) {
    await world.signIn();
    await put(world, 'b.bin');
    await put(world, 'a.bin');
    await put(world, 'deep/er/c.bin');
    await put(world, 'deep.bin');
    const { items, prefixes } = await world.sdk.listAll(world.mine());
    equal([names(items), names(prefixes)], [['a.bin', 'b.bin', 'deep.bin'], ['deep']]);
    const below = await world.sdk.listAll(world.mine('deep'));
    equal([names(below.items), names(below.prefixes)], [[], ['er']]);
    const nothing = await world.sdk.listAll(world.mine('nothing'));
    equal([nothing.items, nothing.prefixes], [[], []], 'an empty folder');
  },

  async 'a list comes in pages'(world) {
    await world.signIn();
    const { sdk } = world;
    for (let at = 0; at < 10; at += 1) await put(world, `${at}.bin`, 1);
    const seen = [];
    const sizes = [];
    let pageToken;
    do {
      const page = await sdk.list(world.mine(), { maxResults: 4, pageToken });
      sizes.push(page.items.length);
      seen.push(...names(page.items));
      pageToken = page.nextPageToken;
    } while (pageToken);
    equal(sizes, [4, 4, 2]);
    equal(seen, Array.from({ length: 10 }, (_, at) => `${at}.bin`));
  },

  async 'what is deleted is gone'(world) {
    await world.signIn();
    const { sdk } = world;
    const ref = await put(world, 'deleted.bin');
    const url = await sdk.getDownloadURL(ref);
    await sdk.deleteObject(ref);
    await rejects(sdk.deleteObject(ref), 'storage/object-not-found');
    await rejects(sdk.getMetadata(ref), 'storage/object-not-found');
    await rejects(sdk.getBytes(ref), 'storage/object-not-found');
    await rejects(sdk.getDownloadURL(ref), 'storage/object-not-found');
    await rejects(sdk.updateMetadata(ref, { contentType: 'text/plain' }), 'storage/object-not-found');
    equal((await fetch(url)).status, 403, 'its download URL tells nothing more');
    equal((await sdk.listAll(world.mine())).items, [], 'list');
  },
};
