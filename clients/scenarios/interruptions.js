/** Uploads in chunks that are disturbed, and end as if they had not been. */
import { content } from './content.js';
import { equal, ok, rejects, within } from './expect.js';
import { ONE_REQUEST, commands, stored, upload } from './uploads.js';

const LENGTH = 3 * 1024 * 1024;

/** One upload with one fault. @returns the commands that the edge saw */
async function disturbed(world, fault) {
  await world.signIn();
  await world.control.fail(fault);
  const ref = world.mine('disturbed.bin');
  await upload(world, ref, content(LENGTH, 5));
  const seen = await commands(world);
  await stored(world, ref, LENGTH, 5);
  const { metageneration } = await world.sdk.getMetadata(ref);
  equal(metageneration, '1', 'metageneration');
  return seen;
}

export const interruptions = {
  async 'a chunk that never reached the server is sent again'(world) {
    const seen = await disturbed(world, { how: 'refuse', command: 'upload', skip: 1 });
    equal(seen.slice(0, 5), ['start', 'upload 0+262144', 'upload 262144+524288', 'query', 'upload 262144+262144']);
  },

  async 'a chunk whose answer is lost is not stored twice'(world) {
    const seen = await disturbed(world, { how: 'swallow', command: 'upload', skip: 1 });
    equal(seen.slice(0, 5), ['start', 'upload 0+262144', 'upload 262144+524288', 'query', 'upload 786432+262144']);
  },

  async 'a chunk that is cut off goes on from what the server keeps'(world) {
    const seen = await disturbed(world, { how: 'cut', command: 'upload', skip: 1, keep: 362_144 });
    equal(seen.slice(0, 4), ['start', 'upload 0+262144', 'upload 262144+524288', 'query']);
    const offset = Number(/^upload (\d+)\+/.exec(seen[4])[1]);
    equal(offset % ONE_REQUEST, 0, 'the offset is a multiple of 256 KiB');
    ok(offset >= 262_144 && offset <= 524_288, `it goes on at ${offset}`);
  },

  async 'two faults in a row are two faults'(world) {
    await disturbed(world, { how: 'refuse', command: 'upload', times: 2 });
  },

  async 'a connection that ends after the chunk makes the same chunk arrive twice'(world) {
    const seen = await disturbed(world, { how: 'hangup', command: 'upload', skip: 1 });
    equal(seen.slice(2, 4), ['upload 262144+524288', 'upload 262144+524288'], 'twice');
  },

  async 'a lost answer to the start begins a new upload'(world) {
    await disturbed(world, { how: 'swallow', command: 'start' });
  },

  async 'a last chunk whose answer is lost has ended the upload'(world) {
    const seen = await disturbed(world, { how: 'swallow', command: 'upload, finalize' });
    equal(seen.slice(-2), ['upload, finalize 1835008+1310720', 'query'], 'end');
  },

  async 'a last chunk that arrives twice ends the upload once'(world) {
    await disturbed(world, { how: 'hangup', command: 'upload, finalize' });
  },

  async 'a file in one request that is refused for a while arrives'(world) {
    await world.signIn();
    await world.control.fail({ how: 'refuse', path: '/v0/b/' });
    const ref = world.mine('small.bin');
    await within(world.sdk.uploadBytes(ref, content(1000)), 'an upload after a 503');
    await stored(world, ref, 1000);
  },

  async 'an upload survives that the server is killed'(world) {
    await world.signIn();
    const ref = world.mine('survivor.bin');
    const task = world.sdk.uploadBytesResumable(ref, content(LENGTH, 6));
    let restarting;
    task.on('state_changed', ({ bytesTransferred }) => {
      // More than the first chunk: that one is acknowledged.
      if (bytesTransferred > ONE_REQUEST) restarting ??= world.control.restart();
    });
    await within(task, 'an upload across a restart');
    ok(restarting, 'the server was killed');
    await restarting;
    const again = (await commands(world)).filter((command) => command.startsWith('upload 0+'));
    equal(again, ['upload 0+262144'], 'what was acknowledged is not sent again');
    await stored(world, ref, LENGTH, 6);
  },

  async 'an upload that is refused for good fails at once'(world) {
    await world.signIn();
    await world.control.fail({ how: 'refuse', command: 'upload', status: 403 });
    const upload = world.sdk.uploadBytesResumable(world.mine('refused.bin'), content(LENGTH));
    await rejects(Promise.resolve(upload), 'storage/unauthorized');
  },
};
