/** Storage as mobile SDKs speak it, which cannot run here. What the SDK for the web sees of it does not differ. */
import { onEveryVersion } from '../harness/node.js';
import { VERSIONS } from '../harness/sdk.js';
import { mobile } from '../scenarios/mobile.js';

onEveryVersion('mobile', { mobile }, { versions: VERSIONS.slice(-1) });
