/** Long lists, once: what the versions of the SDK do about them does not differ. */
import { onEveryVersion } from '../harness/node.js';
import { VERSIONS } from '../harness/sdk.js';
import { crowds } from '../scenarios/crowds.js';

onEveryVersion('long lists', { crowds }, { versions: VERSIONS.slice(-1) });
