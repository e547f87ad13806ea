/** What uploads set off: the function that describes them runs once for each, however its client got there. */
import { content } from './content.js';
import { equal, eventually } from './expect.js';
import { upload } from './uploads.js';

const LENGTH = 600_000;

export const announcements = {
  async 'an upload whose last answer is lost is announced once'(world) {
    await world.signIn();
    const described = () => world.control.delivered('process_chunk');
    const before = await described();
    const faults = [undefined, { how: 'swallow' }, { how: 'hangup' }, { how: 'refuse' }, undefined];
    for (const [at, fault] of faults.entries()) {
      if (fault) await world.control.fail({ command: 'upload, finalize', ...fault });
      await upload(world, world.mine(`${at}.webm`), content(LENGTH, at + 1));
      // Whatever an upload recorded twice is delivered before what the next one records.
      await eventually(async () => (await described()) > before + at, `upload ${at} is described`);
    }
    equal(await described(), before + faults.length, 'descriptions');
  },
};
