/** Callables through the SDK in Node, by a custom domain. */
import { CONFORMANCE, GUARDED } from '../harness/conformance.js';
import { onEveryVersion } from '../harness/node.js';
import { demandedApps } from '../scenarios/apps.js';
import { callables, streams } from '../scenarios/callables.js';

onEveryVersion('callables', { callables, streams }, { project: 'conformance', ...CONFORMANCE });
onEveryVersion('callables for known apps', { demandedApps }, { project: 'conformance', ...GUARDED });
