/** Callables through the SDK in Node, by a custom domain. */
import { CONFORMANCE } from '../harness/conformance.js';
import { onEveryVersion } from '../harness/node.js';
import { callables, streams } from '../scenarios/callables.js';

onEveryVersion('callables', { callables, streams }, { project: 'conformance', ...CONFORMANCE });
