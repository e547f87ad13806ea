/** Events of uploads through the SDK, in Node. */
import { onEveryVersion } from '../harness/node.js';
import { announcements } from '../scenarios/announcements.js';

onEveryVersion('announcements', { announcements });
