/** Uploads through the SDK in Node that are disturbed. */
import { onEveryVersion } from '../harness/node.js';
import { interruptions } from '../scenarios/interruptions.js';

onEveryVersion('interruptions', { interruptions });
