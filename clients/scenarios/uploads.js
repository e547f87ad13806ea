/** Uploads that go well: in one request, and in chunks. */
import { content, same } from './content.js';
import { equal, ok, rejects, within } from './expect.js';

const KIB = 1024;
/** The largest file that the SDK sends in one request; its chunks are multiples of it. */
export const ONE_REQUEST = 256 * KIB;

/** Legal names that URLs, folders and multipart bodies could trip over. */
const ODD_NAMES = [
  'a b/ü+%/f#?.txt',
  'запись 1.webm',
  '%2F',
  'a&b=c;d',
  "it's (1) [x]!*~@:,$.wav",
  '..%2f..',
  '.hidden',
  '🎛️.bin',
];

/** Uploads in chunks. @returns the bytes transferred at each report of progress */
export async function upload(world, ref, bytes, metadata) {
  const task = world.sdk.uploadBytesResumable(ref, bytes, metadata);
  const progress = [];
  task.on('state_changed', ({ bytesTransferred }) => progress.push(bytesTransferred));
  const { state, bytesTransferred, totalBytes } = await within(task, 'an upload');
  equal([state, bytesTransferred], ['success', totalBytes], 'its end');
  return progress;
}

/** The commands of an upload in chunks as the edge saw them: `start`, `upload 0+262144`, …. */
export async function commands(world) {
  const { requests } = world.control;
  return (await requests())
    .filter(({ headers }) => headers['x-goog-upload-command'])
    .map(({ headers, bytes }) => {
      const { 'x-goog-upload-command': command, 'x-goog-upload-offset': offset } = headers;
      return offset === undefined ? command : `${command} ${offset}+${bytes}`;
    });
}

/** @throws unless the object is these bytes, by its checksums and by a download */
export async function stored(world, ref, length, seed) {
  const { sdk, control } = world;
  const { size, md5Hash } = await sdk.getMetadata(ref);
  equal({ size, md5Hash }, { size: length, md5Hash: (await control.digests(length, seed)).md5Hash }, ref.name);
  same(await sdk.getBytes(ref), content(length, seed), ref.name);
}

async function oneRequest(world, length) {
  await world.signIn();
  const ref = world.mine(`${length} bytes.bin`);
  const { metadata } = await world.sdk.uploadBytes(ref, content(length), { contentType: 'video/webm' });
  const { fullPath, bucket, size, contentType } = metadata;
  equal(
    { fullPath, bucket, size, contentType },
    { fullPath: ref.fullPath, bucket: ref.bucket, size: length, contentType: 'video/webm' },
  );
  equal(await commands(world), [], 'commands');
  await stored(world, ref, length);
}

async function chunks(world, length, expected) {
  await world.signIn();
  const ref = world.mine('recording.webm');
  const progress = await upload(world, ref, content(length, 2));
  equal(await commands(world), expected, 'commands');
  equal(progress, [...progress].sort((a, b) => a - b), 'progress');
  equal(ends(expected).filter((end) => !progress.includes(end)), [], 'chunks whose end is not reported');
  await stored(world, ref, length, 2);
}

/** 256 KiB, doubled after each success, as far as `length` goes. */
function doubling(length) {
  const sequence = ['start'];
  for (let offset = 0, size = ONE_REQUEST; offset < length; size *= 2) {
    const bytes = Math.min(size, length - offset);
    const last = offset + bytes === length;
    sequence.push(`${last ? 'upload, finalize' : 'upload'} ${offset}+${bytes}`);
    offset += bytes;
  }
  return sequence;
}

/** Where each chunk ends. */
function ends(sequence) {
  return sequence.slice(1).map((command) => {
    const [offset, bytes] = command.split(' ').at(-1).split('+').map(Number);
    return offset + bytes;
  });
}

export const uploads = {
  'an empty file is a file': (world) => oneRequest(world, 0),
  'a kilobyte goes in one request': (world) => oneRequest(world, KIB),
  '256 KiB still go in one request': (world) => oneRequest(world, ONE_REQUEST),
  'one byte more goes in two chunks': (world) => chunks(world, ONE_REQUEST + 1, doubling(ONE_REQUEST + 1)),
  '512 KiB end on the border of a chunk': (world) => chunks(world, 2 * ONE_REQUEST, doubling(2 * ONE_REQUEST)),
  '3 MiB go in chunks that double': (world) => chunks(world, 3 * KIB * KIB, doubling(3 * KIB * KIB)),
  '40 MiB go in chunks that double': (world) => chunks(world, 40 * KIB * KIB, doubling(40 * KIB * KIB)),

  async 'crc32c is what Cloud Storage would say'(world) {
    await world.signIn();
    const ref = world.mine('hello.txt');
    await world.sdk.uploadBytes(ref, new TextEncoder().encode('hello'));
    const response = await fetch(await world.sdk.getDownloadURL(ref));
    equal(response.headers.get('x-goog-hash')?.includes('crc32c=mnG7TA=='), true, 'x-goog-hash');
  },

  async 'odd names and metadata come back as they were given'(world) {
    const uid = await world.signIn();
    for (const name of ODD_NAMES) {
      const ref = world.mine(name);
      const customMetadata = { firebaseUserId: uid, originalFilename: name, 'мир': 'ü+% "quoted"\\' };
      const described = { contentType: 'text/plain', customMetadata };
      const { metadata } = await world.sdk.uploadBytes(ref, content(100), described);
      equal([metadata.fullPath, metadata.customMetadata], [ref.fullPath, customMetadata], name);
      const read = await world.sdk.getMetadata(ref);
      equal([read.fullPath, read.customMetadata], [ref.fullPath, customMetadata], name);
      same(await world.sdk.getBytes(ref), content(100), name);
    }
    const { items } = await world.sdk.listAll(world.mine('a b/ü+%'));
    equal(items.map((item) => item.name), ['f#?.txt'], 'list');
  },

  async 'all settable metadata of an upload in chunks is kept'(world) {
    await world.signIn();
    const ref = world.mine('with metadata.bin');
    const given = {
      cacheControl: 'public, max-age=300',
      contentDisposition: 'attachment; filename="x.bin"',
      contentEncoding: 'identity',
      contentLanguage: 'de',
      contentType: 'application/x-recording',
      customMetadata: { take: '7' },
    };
    await upload(world, ref, content(ONE_REQUEST + 5), given);
    const { cacheControl, contentDisposition, contentEncoding, contentLanguage, contentType, customMetadata } =
      await world.sdk.getMetadata(ref);
    equal(
      { cacheControl, contentDisposition, contentEncoding, contentLanguage, contentType, customMetadata },
      given,
    );
  },

  async 'bytes that are not those of the hash sent with them are refused'(world) {
    await world.signIn();
    const { sdk, control } = world;
    for (const length of [KIB, ONE_REQUEST + 5]) {
      const ref = world.mine(`${length}.bin`);
      const { md5Hash } = await control.digests(length, 4);
      const damaged = sdk.uploadBytesResumable(ref, content(length, 5), { md5Hash });
      await rejects(Promise.resolve(damaged), 'storage/unknown');
      await rejects(sdk.getMetadata(ref), 'storage/object-not-found');
      await upload(world, ref, content(length, 4), { md5Hash });
      await stored(world, ref, length, 4);
    }
  },

  async 'text and data URLs are stored as bytes'(world) {
    await world.signIn();
    const { sdk } = world;
    const cases = {
      raw: 'grüße',
      base64: 'Z3LDvMOfZQ==',
      base64url: 'Z3LDvMOfZQ',
      data_url: 'data:text/plain;base64,Z3LDvMOfZQ==',
    };
    for (const [format, text] of Object.entries(cases)) {
      const ref = world.mine(`${format}.txt`);
      await sdk.uploadString(ref, text, format);
      same(await sdk.getBytes(ref), new TextEncoder().encode('grüße'), format);
    }
  },

  async 'a second upload replaces the first'(world) {
    await world.signIn();
    const ref = world.mine('twice.bin');
    const first = await world.sdk.uploadBytes(ref, content(10, 1), { customMetadata: { first: 'yes' } });
    const second = await world.sdk.uploadBytes(ref, content(20, 2));
    ok(second.metadata.generation !== first.metadata.generation, 'a new generation');
    equal([second.metadata.metageneration, second.metadata.customMetadata], ['1', undefined]);
    same(await world.sdk.getBytes(ref), content(20, 2));
  },

  async 'an upload that is paused goes on where it was'(world) {
    await world.signIn();
    const ref = world.mine('paused.bin');
    const length = 3 * KIB * KIB;
    const task = world.sdk.uploadBytesResumable(ref, content(length, 3));
    let resumed = false;
    await within(
      new Promise((resolve, reject) => {
        task.on(
          'state_changed',
          ({ state, bytesTransferred }) => {
            if (state === 'running' && bytesTransferred > 0 && !resumed) task.pause();
            if (state === 'paused') {
              resumed = true;
              task.resume();
            }
          },
          reject,
          resolve,
        );
      }),
      'a paused upload',
    );
    ok(resumed, 'it was paused');
    await stored(world, ref, length, 3);
  },

  async 'an upload that is cancelled leaves nothing behind'(world) {
    await world.signIn();
    const { sdk } = world;
    const ref = world.mine('cancelled.bin');
    const task = sdk.uploadBytesResumable(ref, content(3 * KIB * KIB));
    task.on('state_changed', ({ bytesTransferred }) => bytesTransferred > 0 && task.cancel());
    await rejects(Promise.resolve(task), 'storage/canceled');
    await rejects(sdk.getMetadata(ref), 'storage/object-not-found');
    equal((await sdk.listAll(world.mine())).items, [], 'list');
  },
};
