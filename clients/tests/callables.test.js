/** Callables through the SDK in Node, by a custom domain. */
import { onEveryVersion } from '../harness/node.js';
import { callables, streams } from '../scenarios/callables.js';

onEveryVersion('callables', { callables, streams }, {
  project: 'conformance',
  binary: 'conformance',
  manifest: 'examples/conformance/manifest.toml',
});
