/** `router dev` through the SDK in Node. */
import { onEveryVersion } from '../harness/node.js';
import { local } from '../scenarios/local.js';

onEveryVersion('router dev', { local }, { command: 'dev' });
