/** Callables through the SDK in Chromium, by a custom domain. */
import { PLACE, inChromium } from '../harness/chromium.js';

inChromium('callables in Chromium', ['callables', 'streams'], {
  place: { ...PLACE, project: 'conformance' },
  binary: 'conformance',
  manifest: 'examples/conformance/manifest.toml',
});
