/** Storage through the SDK in Node, by `connectStorageEmulator`. */
import { onEveryVersion } from '../harness/node.js';
import { access } from '../scenarios/access.js';
import { objects } from '../scenarios/objects.js';
import { nodeOnly } from '../scenarios/node_only.js';
import { presigned } from '../scenarios/page.js';
import { uploads } from '../scenarios/uploads.js';

onEveryVersion('storage', { uploads, objects, access, presigned, nodeOnly });
