/** Callables through the SDK in Chromium, by a custom domain. */
import { PLACE, inChromium } from '../harness/chromium.js';
import { CONFORMANCE } from '../harness/conformance.js';

inChromium('callables in Chromium', ['callables', 'streams'], { place: { ...PLACE, project: 'conformance' }, ...CONFORMANCE });
