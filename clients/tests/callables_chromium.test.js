/** Callables through the SDK in Chromium, by a custom domain. */
import { PLACE, inChromium } from '../harness/chromium.js';
import { CONFORMANCE, GUARDED } from '../harness/conformance.js';

const place = { ...PLACE, project: 'conformance' };

inChromium('callables in Chromium', ['callables', 'streams'], { place, ...CONFORMANCE });
inChromium('callables in Chromium for known apps', ['demandedApps'], { place, ...GUARDED });
